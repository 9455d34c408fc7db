"""`weft convert`: a workflow in, the prompt out, without a server and without the nodes."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from server.cli import main
from tests.server.small_nodes import FACTORY

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
SEED = 2**64 - 1
SAVED = {"nodes": [{"id": 7, "type": "Save", "widgets_values": [6, "flow"]}], "links": [], "version": 0.4}
PROMPT = {"7": {"class_type": "Save", "inputs": {"side": 6, "filename_prefix": "flow"},
                "_meta": {"title": "Save a square"}}}  # fmt: skip
SAMPLER = {"nodes": [{"id": 3, "type": "KSampler", "widgets_values": [SEED, "fixed", 20]}], "links": []}


def golden(name: str) -> dict:
    with gzip.open(GOLDEN / f"{name}.json.gz") as file:
        return json.load(file)


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """Descriptions of the field's nodes, none of which is installed."""
    path = tmp_path / "object_info.json"
    path.write_text(json.dumps(golden("object_info")))
    return path


@pytest.fixture
def convert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(workflow: object, *arguments: str) -> tuple[int, str, str]:
        file = tmp_path / "workflow.json"
        file.write_text(workflow if isinstance(workflow, str) else json.dumps(workflow))
        status = main(["convert", str(file), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_descriptions_from_a_file_are_enough(convert, nodes: Path):
    status, out, err = convert(SAMPLER, "--nodes", str(nodes))
    assert (status, err) == (0, "")
    inputs = json.loads(out)["3"]["inputs"]
    assert (inputs["seed"], inputs["steps"]) == (SEED, 20), "no digit of a large seed is lost"


def test_templates_become_what_the_fields_editor_sends(convert, nodes: Path):
    expected, workflows = golden("prompts"), golden("workflows")
    name = next(name for name in sorted(workflows) if "definitions" not in workflows[name])
    status, out, _ = convert(workflows[name], "--nodes", str(nodes))
    assert status == 0
    assert {id: (node["class_type"], node["inputs"]) for id, node in json.loads(out).items()} == {
        id: (node["class_type"], node["inputs"]) for id, node in expected[name].items()
    }


def test_a_node_that_nobody_describes_is_named(convert, nodes: Path):
    status, out, err = convert(
        {"nodes": [{"id": 7, "type": "NobodysNode"}], "links": []}, "--nodes", str(nodes)
    )
    assert (status, out) == (1, "")
    assert "'NobodysNode'" in err and "#7" in err


def test_the_prompt_can_go_to_a_file(convert, nodes: Path, tmp_path: Path):
    status, out, _ = convert(SAMPLER, "--nodes", str(nodes), "-o", str(tmp_path / "deep" / "prompt.json"))
    assert (status, out) == (0, "")
    assert json.loads((tmp_path / "deep" / "prompt.json").read_text())["3"]["inputs"]["seed"] == SEED


def test_without_a_file_the_nodes_of_the_workspace_describe_themselves(convert, tmp_path: Path):
    there = ("--workspace", str(tmp_path / "w"), "--factory", FACTORY, "--backend", "thread")
    status, out, err = convert(SAVED, *there)
    assert (status, json.loads(out)) == (0, PROMPT), err


def test_a_prompt_stays_as_it_is(convert, nodes: Path):
    status, out, _ = convert(PROMPT, "--nodes", str(nodes))
    assert (status, json.loads(out)) == (0, PROMPT)


def test_standard_input(nodes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(SAMPLER)))
    assert main(["convert", "-", "--nodes", str(nodes)]) == 0
    assert "3" in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"a": 5}', '{"nodes": 5}'])
def test_what_is_neither_workflow_nor_prompt_is_said_to_be_neither(convert, nodes: Path, text: str):
    status, out, err = convert(text, "--nodes", str(nodes))
    assert status in (1, 2) and out == "" and "workflow.json" in err and "Traceback" not in err


@pytest.mark.parametrize("text", ["", "[]", '{"KSampler": 5}', '{"KSampler": {}}'])
def test_what_is_no_description_is_said_to_be_none(convert, tmp_path: Path, text: str):
    other = tmp_path / "other.json"
    other.write_text(text)
    status, out, err = convert(SAMPLER, "--nodes", str(other))
    assert (status, out) == (2, "") and "other.json" in err


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str], nodes: Path):
    assert main(["convert", "no-such.json", "--nodes", str(nodes)]) == 2
    assert "no-such.json" in capsys.readouterr().err
