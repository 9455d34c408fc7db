"""HOST_API.md section 15: packs in the second form of the protocol, from their schemas to what their nodes receive."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import aiohttp
import pytest

from tests.compat.hosted import hosting
from tests.server.api.listening import listening
from tests.server.spec.asking import ask
from tests.server.spec.playing import node
from tests.serving import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with hosting(tmp_path_factory.mktemp("newer"), "newer", folder="newer") as running:
        yield running


@pytest.fixture(scope="module")
def described(server: Server) -> Mapping[str, Any]:
    return server.get("/object_info")


INPUTS: Sequence[tuple[str, str, list[Any]]] = [
    ("required", "image", ["IMAGE", {"tooltip": "which"}]),
    ("required", "steps", ["INT", {"default": 3, "min": 1, "max": 9, "step": 2, "display": "slider"}]),
    ("optional", "share", ["FLOAT", {"default": 0.5, "round": 0.01}]),
    ("required", "text", ["STRING", {"default": "", "multiline": True, "dynamicPrompts": True}]),
    ("required", "on", ["BOOLEAN", {"default": True, "label_on": "yes", "label_off": "no"}]),
    ("required", "mode", ["COMBO", {"default": "b", "multiselect": False, "options": ["a", "b"]}]),
    ("optional", "many",
     ["COMBO", {"multiselect": True, "options": ["x", "y"], "multi_select": {"chip": True}}]),
    ("optional", "either", ["IMAGE,MASK", {}]),
    ("optional", "whole", ["INT,FLOAT", {"default": 1, "widgetType": "INT"}]),
    ("optional", "same",
     ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "same", "allowed_types": "IMAGE,MASK"}}]),
    ("optional", "own", ["OWN", {"lazy": True}]),
    ("optional", "colour", ["COLOR", {"default": "#ffffff", "socketless": True}]),
]  # fmt: skip


@pytest.mark.parametrize(("section", "name", "form"), INPUTS, ids=[row[1] for row in INPUTS])
def test_an_input_is_described(described: Mapping[str, Any], section: str, name: str, form: list[Any]):
    assert described["NewerEverything"]["input"][section][name] == form


FIELDS: Sequence[tuple[str, Any]] = [
    ("display_name", "All at once"),
    ("category", "newer/all"),
    ("description", "Says what it is."),
    ("search_aliases", ["everything"]),
    ("output", ["INT", "COMFY_MATCHTYPE_V3", "STRING"]),
    ("output_name", ["how many", "same", "STRING"]),
    ("output_tooltips", ["counted", "", ""]),
    ("output_is_list", [False, False, True]),
    ("output_matchtypes", [None, "same", None]),
    ("experimental", True),
    ("output_node", False),
    ("python_module", "custom_nodes.newer"),
]


@pytest.mark.parametrize(("field", "value"), FIELDS, ids=[row[0] for row in FIELDS])
def test_a_schema_is_described(described: Mapping[str, Any], field: str, value: Any):
    assert described["NewerEverything"][field] == value


def test_inputs_that_bring_others_are_described(described: Mapping[str, Any]):
    template = {"input": {"required": {"number": ["INT", {"default": 0}]}}, "prefix": "n", "min": 2, "max": 5}
    inputs = described["NewerBrings"]["input"]["required"]
    assert inputs["numbers"] == ["COMFY_AUTOGROW_V3", {"template": template}]
    assert inputs["how"] == ["COMFY_DYNAMICCOMBO_V3", {"options": [
        {"key": "by size", "inputs": {"required": {
            "width": ["INT", {"min": 1}], "crop": ["COMBO", {"multiselect": False, "options": ["no", "center"]}]}}},
        {"key": "numbers", "inputs": {"required": {"of": ["COMFY_AUTOGROW_V3", {"template": template}]}}},
    ]}]  # fmt: skip


def test_a_broken_schema_keeps_no_other_node_out(server: Server, described: Mapping[str, Any]):
    (pack,) = (pack for pack in server.get("/api/weft/packs") if pack["name"] == "newer")
    assert pack["ok"] and "NewerBroken" not in described and len(pack["nodes"]) == 8
    assert "more than one input with the id a" in pack["error"]["message"]


NUMBERS = {"numbers.n0": 1, "numbers.n1": 2}


def test_a_node_receives_what_its_inputs_bring_in_dicts(server: Server):
    size = {"how": "by size", "how.width": 5, "how.crop": "no", **NUMBERS, "numbers.n3": 4}
    entry = server.run({"x": node("NewerBrings", **size)})
    given = ({"how": "by size", "width": 5, "crop": "no"}, {"n0": 1, "n1": 2, "n3": 4})
    assert entry["outputs"]["x"]["text"] == [repr(given)]
    inner = {"how": "numbers", "how.of.n0": 7, "how.of.n1": 8, **NUMBERS}
    entry = server.run({"x": node("NewerBrings", **inner)})
    assert entry["outputs"]["x"]["text"] == [
        repr(({"how": "numbers", "of": {"n0": 7, "n1": 8}}, {"n0": 1, "n1": 2}))
    ]


WRONG: Sequence[tuple[dict[str, Any], str, str]] = [
    ({"how": "by luck", **NUMBERS}, "invalid_dynamic_input", "how"),
    ({"how": "by size", "how.width": 0, "how.crop": "no", **NUMBERS}, "value_smaller_than_min", "how.width"),
    ({"how": "by size", "how.width": 5, **NUMBERS}, "required_input_missing", "how.crop"),
    ({"how": "numbers", "how.of.n0": 1, **NUMBERS}, "required_input_missing", "how.of.n1"),
    ({"how": "numbers", "how.of.n0": 1, "how.of.n1": 1, **NUMBERS, "numbers.n5": 1},
     "invalid_dynamic_input", "numbers.n5"),
    ({"how": "by size", "how.width": 13, "how.crop": "no", **NUMBERS}, "custom_validation_failed", "how"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "type", "name"), WRONG, ids=[f"{row[1]}-{row[2]}" for row in WRONG])
def test_what_is_wrong_with_them_is_told(server: Server, inputs: dict[str, Any], type: str, name: str):
    (error,) = ask(server, {"x": node("NewerBrings", **inputs)}).errors("x")
    assert (error["type"], error["extra_info"]["input_name"]) == (type, name)


def test_hidden_values_come_on_the_class_and_leave_inputs_of_their_names_alone(server: Server):
    prompt = {"x": node("NewerHides", prompt="my own")}
    job = server.post(
        "/prompt", {"prompt": prompt, "extra_data": {"extra_pnginfo": {"workflow": {"id": "w"}}}}
    )
    text = server.ended(job["prompt_id"])["outputs"]["x"]["text"]
    assert text[:3] == ["my own", "x", ["x"]] and text[3]["workflow"] == {"id": "w"} and text[4] is None


def test_lazy_inputs_fingerprints_and_waiting(server: Server):
    prompt = {
        "a": node("NewerGives", value="1"),
        "b": node("NewerBecomes", what="wrong"),
        "wait": node("NewerWaits", first=True, a=["a", 0], b=["b", 0]),
        "out": node("Show", value=["wait", 0]),
    }
    entry = server.run(prompt)
    assert entry["status"]["status_str"] == "success", entry["status"]
    assert entry["outputs"]["out"]["text"] == ["given 1, True"]


@pytest.mark.parametrize(
    ("what", "text", "error"),
    [
        ("graph", ["given graph"], None),
        ("blocked", None, None),
        ("wrong", None, "it must be a NodeOutput"),
    ],
)
def test_what_execute_may_return(server: Server, what: str, text: list[str] | None, error: str | None):
    entry = server.run({"x": node("NewerBecomes", what=what), "out": node("Show", value=["x", 0])})
    assert entry["outputs"].get("out", {}).get("text") == text
    failures = [
        data["exception_message"] for event, data in entry["status"]["messages"] if event == "execution_error"
    ]
    assert (error is None and not failures) or error in failures[0]


def test_a_film_is_made_by_a_pack(server: Server, described: Mapping[str, Any]):
    kind, options = described["NewerFilms"]["input"]["required"]["container"]
    assert (kind, options["options"], options["default"]) == ("COMBO", ["auto", "mp4", "mkv", "webm"], "mp4")
    entry = server.run({"x": node("NewerFilms", container="mp4"), "out": node("Show", value=["x", 0])})
    assert [data for event, data in entry["status"]["messages"] if event == "execution_error"] == []


def test_pictures_that_are_shown_lie_in_temp(server: Server):
    shown = server.run({"x": node("NewerDraws")})["outputs"]["x"]
    assert [image["type"] for image in shown["images"]] == ["temp", "temp"] and shown["animated"] == [False]


async def test_a_blocked_node_is_told_of_with_its_words_and_the_rest_runs(server: Server):
    nodes = {
        "x": node("NewerBecomes", what="blocked"),
        "out": node("Show", value=["x", 0]),
        "said": node("Show", value="fine"),
    }
    async with aiohttp.ClientSession(server.url) as http, listening(http, "blocked") as ear:
        await ear.until("status")
        id, heard = await ear.job(http, nodes, client_id="blocked")
    (told,) = (message["data"] for message in heard if message["type"] == "execution_error")
    assert told == {
        "prompt_id": id,
        "node_id": "out",
        "node_type": "Show",
        "executed": told["executed"],
        "exception_message": "Execution Blocked: nothing here",
        "exception_type": "ExecutionBlocked",
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
    }
    assert [message["data"]["node"] for message in heard if message["type"] == "executed"] == ["said"]
    assert "execution_success" in [message["type"] for message in heard]
    entry = await asyncio.to_thread(server.ended, id)
    assert entry["status"]["status_str"] == "success"
    assert "execution_error" not in [event for event, _ in entry["status"]["messages"]]
