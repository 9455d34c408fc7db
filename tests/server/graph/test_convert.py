"""Workflow to prompt, held to what the field's own editor makes of 97 of its templates."""

import gzip
import json
import random
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from nodes.spec import Json
from server.graph import signature
from server.graph.convert import is_workflow, read_specs, workflow_to_prompt
from server.graph.convert.text import Namer, dynamic, strip_comments
from server.graph.convert.workflow import read_workflow
from server.graph.errors import PromptError
from server.graph.parse import parse_prompt

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


@cache
def golden(name: str) -> dict[str, dict[str, Json]]:
    with gzip.open(GOLDEN / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def without_meta(prompt: dict[str, Json]) -> dict[str, Json]:
    return {id: {key: value for key, value in node.items() if key != "_meta"} for id, node in prompt.items()}  # type: ignore[union-attr]


def contents(prompt: dict[str, Json]) -> list[str | None]:
    """The prompt without its ids: the sorted content keys of its nodes."""
    return sorted(key or "" for key in signature.keys(parse_prompt(prompt), {}, {}).values())


@pytest.mark.parametrize("name", sorted(golden("prompts")))
def test_a_template_becomes_the_prompt_that_the_fields_editor_sends(name: str):
    expected = golden("prompts")[name]
    made = workflow_to_prompt(golden("workflows")[name], read_specs(golden("object_info")))  # type: ignore[arg-type]
    if set(made) == set(expected):
        assert without_meta(made) == without_meta(expected)
    else:  # the field's editor renumbers nodes whose ids two definitions share
        assert contents(made) == contents(expected)


def test_prompts_and_workflows_are_told_apart():
    name = next(iter(golden("prompts")))
    assert is_workflow(golden("workflows")[name]) and not is_workflow(golden("prompts")[name])


def test_a_node_that_nobody_describes_is_named():
    workflow = {"nodes": [{"id": 7, "type": "NobodysNode", "title": "Mine"}], "links": [], "version": 0.4}
    with pytest.raises(PromptError, match="NobodysNode"):
        workflow_to_prompt(workflow, {})


def test_a_subgraph_that_contains_itself_is_refused():
    inner = {"id": "d", "name": "Loop", "nodes": [{"id": 1, "type": "d"}], "links": []}
    workflow = {"nodes": [{"id": 1, "type": "d"}], "links": [], "definitions": {"subgraphs": [inner]}}
    with pytest.raises(PromptError, match="contains itself"):
        workflow_to_prompt(workflow, {})


@pytest.mark.parametrize("raw", [None, [], {}, {"nodes": {}}, "text"])
def test_what_is_not_a_workflow_is_refused(raw: object):
    with pytest.raises(PromptError):
        workflow_to_prompt(raw, {})


def test_dynamic_text_chooses_and_keeps_what_is_escaped():
    made = {dynamic("a {red|{dark|light} blue} cat", random.Random(seed)) for seed in range(60)}
    assert made == {"a red cat", "a dark blue cat", "a light blue cat"}
    assert dynamic(r"a \{red\|blue\} cat", random.Random(0)) == "a {red|blue} cat"
    assert strip_comments("cat // not this\n/* nor\nthis */dog") == "cat \ndog"


def test_dates_and_widgets_fill_a_file_name():
    specs = read_specs({"KSampler": {"input": {"required": {"seed": ["INT", {"default": 1}]}}}})
    node = {
        "id": 1,
        "type": "KSampler",
        "widgets_values": [5, "fixed"],
        "properties": {"Node name for S&R": "KSampler"},
    }
    sheet = read_workflow({"nodes": [node], "links": []}).root
    namer = Namer(sheet, specs, datetime(2026, 1, 2, 3, 4, 5))
    assert namer.filled("%date:yyyy-MM-dd%/%KSampler.seed%_%width%") == "2026-01-02/5_%width%"


def test_a_curve_says_that_it_is_one_and_other_lists_are_wrapped():
    described = {"Shape": {"input": {"required": {"curve": ["CURVE", {}], "box": ["BOUNDING_BOX", {}]}}}}
    points: list[Json] = [[0, 0], [1, 1]]
    saved = {"id": 1, "type": "Shape", "widgets_values": [points, [1, 2]]}
    made = workflow_to_prompt({"nodes": [saved], "links": []}, read_specs(described))  # type: ignore[arg-type]
    assert without_meta(made)["1"]["inputs"] == {  # type: ignore[index,call-overload]
        "curve": {"__type__": "CURVE", "__value__": points},
        "box": {"__value__": [1, 2]},
    }


@pytest.mark.parametrize("type", ["workflow>My group", "workflow/My group"])
def test_a_group_node_of_old_editors_is_said_to_be_one(type: str):
    with pytest.raises(PromptError, match="'My group' is a group node of an older editor") as caught:
        workflow_to_prompt({"nodes": [{"id": 7, "type": type}], "links": []}, {})
    assert caught.value.fault.type == "missing_node_type"


def test_a_prompt_says_of_which_pack_its_nodes_are():
    described = read_specs({"Shape": {"input": {}}})
    properties = {"cnr_id": "comfy-core", "ver": "0.3.9", "aux_id": ""}
    saved = {"nodes": [{"id": 1, "type": "Shape", "properties": properties}], "links": []}
    made: dict[str, Any] = workflow_to_prompt(saved, described)  # type: ignore[assignment]
    assert made["1"]["_meta"] == {"title": "Shape", "cnr_id": "comfy-core", "ver": "0.3.9"}
