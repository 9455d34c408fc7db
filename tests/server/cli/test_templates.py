"""The workflows that come along run as they are, with the model that comes along."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from PIL import Image, ImageStat

from nodes.builtin import all_nodes
from server.api.templates import DEFAULT, TEMPLATES, file
from server.app import DEFAULT_WORKFLOW, build_workspace
from server.app import TEMPLATES as FOLDER
from server.graph.convert import workflow_to_prompt
from server.graph.parse import parse_prompt
from server.graph.validate import validate
from tests.serving import Server, serving

TO_LEARN = {"forward_process": 5, "compare_samplers": 4, "guidance": 4, "steps": 4, "denoise": 4}
RUN = ("inpaint", "film")  # each with parts that no other test runs on the starter model
SPECS = {node.spec.id: node.spec for node in all_nodes()}
NAMES = [template.name for template in TEMPLATES]
AS_THEY_ARE = frozenset({"steps", "denoise"})  # their pictures differ by how many steps are made


def workflow(name: str) -> Mapping[str, Any]:
    path = file(name, DEFAULT_WORKFLOW, FOLDER)
    assert path is not None
    return json.loads(path.read_text(encoding="utf-8"))


def cheap(prompt: Mapping[str, Any]) -> Mapping[str, Any]:
    """The prompt with two steps."""

    def inputs(node: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: 2 if name == "steps" else value for name, value in node["inputs"].items()}

    return {id: {**node, "inputs": inputs(node)} for id, node in prompt.items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("templates")) as server:
        yield server


def test_each_file_is_told_of_and_has_its_small_picture():
    told = {template.name for template in TEMPLATES if template is not DEFAULT}
    assert {path.stem for path in FOLDER.glob("*.json")} == told
    pictures = [DEFAULT_WORKFLOW.with_suffix(".webp"), *(FOLDER / f"{name}.webp" for name in told)]
    for path in pictures:
        assert path.stat().st_size < 40_000
        with Image.open(path) as picture:
            assert picture.size[0] <= 480


def test_every_template_can_run_on_a_new_workspace(tmp_path: Path):
    workspace = build_workspace(tmp_path)
    for name in NAMES:
        graph = parse_prompt(workflow_to_prompt(workflow(name), SPECS))
        verdict = validate(graph, SPECS, cache(workspace.choices))
        assert not verdict.error, (name, verdict.error, verdict.node_faults)
        assert not verdict.node_faults, (name, verdict.node_faults)


def test_a_workflow_to_learn_by_says_what_its_pictures_are_and_what_to_try():
    for template in TEMPLATES:
        nodes = workflow(template.name)["nodes"]
        assert all(node.get("title") for node in nodes if node["type"] == "PreviewImage")
        if template is DEFAULT:
            continue
        (note,) = [node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote"]
        assert all(f"\n{number}. " in note for number in (1, 2, 3))
    for name, count in TO_LEARN.items():
        assert sum(node["type"] == "PreviewImage" for node in workflow(name)["nodes"]) == count


@pytest.mark.parametrize("name", RUN)
def test_a_template_runs_and_its_pictures_differ(name: str, server: Server):
    entry = server.run(cheap(workflow_to_prompt(workflow(name), SPECS)))
    assert entry["status"]["status_str"] == "success", entry["status"]
    check_pictures(server, entry)


@pytest.mark.templates
@pytest.mark.parametrize("name", [name for name in NAMES if name not in RUN])
def test_every_template_runs(name: str, server: Server):
    prompt = workflow_to_prompt(workflow(name), SPECS)
    entry = server.run(prompt if name in AS_THEY_ARE else cheap(prompt))
    assert entry["status"]["status_str"] == "success", entry["status"]
    check_pictures(server, entry)


def check_pictures(server: Server, entry: Mapping[str, Any]) -> None:
    """Each picture shows something, and no two are the same."""
    files = [shown for output in entry["outputs"].values() for shown in output.get("images", [])]
    assert files
    bodies = set()
    for shown in files:
        query = urlencode({key: shown[key] for key in ("filename", "subfolder", "type")})
        with (
            urlopen(f"{server.url}/view?{query}", timeout=60) as answer,
            Image.open(BytesIO(answer.read())) as picture,
        ):
            assert max(ImageStat.Stat(picture.convert("RGB")).stddev) > 8
            bodies.add(picture.tobytes())
    assert len(bodies) == len(files)
