"""The cases that hold the server's converter and the canvas's to each other (web/tests/graph/convert-cases.test.ts)."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from server.graph.convert import read_specs, workflow_to_prompt
from server.graph.errors import PromptError

DATA = Path(__file__).parents[2] / "data"
CASES: list[dict[str, Any]] = json.loads((DATA / "convert" / "cases.json").read_text(encoding="utf-8"))


@cache
def specs() -> Any:
    with gzip.open(DATA / "golden" / "object_info.json.gz") as file:
        return read_specs(json.load(file))


@pytest.mark.parametrize("case", [case for case in CASES if "prompt" in case], ids=lambda case: case["name"])
def test_a_workflow_becomes_its_prompt(case: dict[str, Any]):
    made: dict[str, Any] = workflow_to_prompt(case["workflow"], specs())
    assert {id: (node["class_type"], node["inputs"]) for id, node in made.items()} == {
        id: (node["class_type"], node["inputs"]) for id, node in case["prompt"].items()
    }


@pytest.mark.parametrize("case", [case for case in CASES if "error" in case], ids=lambda case: case["name"])
def test_a_workflow_that_cannot_run_is_refused(case: dict[str, Any]):
    with pytest.raises(PromptError) as caught:
        workflow_to_prompt(case["workflow"], specs())
    wanted = case["error"]
    assert caught.value.fault.type == wanted["type"]
    if "node" in wanted:
        assert caught.value.fault.extra_info["node_id"] == wanted["node"]
        assert caught.value.fault.extra_info["class_type"] == wanted["class_type"]
