"""POST /prompt: what is taken, what is refused and in which words."""

import io
import json
import math
import uuid

import aiohttp
import pytest

from tests.server.api.asking import get, history, prompt, queue, shown

CYCLE = prompt(a=("Say", {"text": ["b", 0]}), b=("Say", {"text": ["a", 0]}), c=("Show", {"value": ["a", 0]}))
WRONG = [
    ("unknown node", prompt(a=("Nobody", {})), "missing_node_type", None, None),
    ("no class", {"a": {"inputs": {}}}, "missing_node_type", None, None),
    ("no output", prompt(a=("Say", {"text": "x"})), "prompt_no_outputs", None, None),
    ("empty", {}, "prompt_no_outputs", None, None),
    ("a list", [], "invalid_prompt", None, None),
    ("a number", 3, "invalid_prompt", None, None),
    ("null", None, "invalid_prompt", None, None),
    ("a node that is text", {"a": "x"}, "invalid_prompt", None, None),
    ("inputs that are a list", {"a": {"class_type": "Say", "inputs": []}}, "invalid_prompt", None, None),
    ("cycle", CYCLE, "prompt_outputs_failed_validation", "a", "dependency_cycle"),
    ("missing input", prompt(a=("Show", {})), "prompt_outputs_failed_validation", "a", "required_input_missing"),
    ("bare list", prompt(a=("Show", {"value": [1]})), "prompt_outputs_failed_validation", "a", "bad_linked_input"),
    ("dangling link", prompt(a=("Show", {"value": ["z", 0]})), "prompt_outputs_failed_validation", "a",
     "exception_during_validation"),
]  # fmt: skip
NUMBERS = [
    ("value", "many", "invalid_input_type"),
    ("value", None, "invalid_input_type"),
    ("value", {"a": 1}, "invalid_input_type"),
    ("value", 11, "value_bigger_than_max"),
    ("value", -1, "value_smaller_than_min"),
    ("weight", math.nan, "invalid_input_type"),
    ("weight", math.inf, "invalid_input_type"),
    ("value", math.nan, "invalid_input_type"),
    ("value", ["t", 0], "return_type_mismatch"),
]
FIELDS = {"error": {"type", "message", "details", "extra_info"}}


async def refused(http: aiohttp.ClientSession, body: bytes | io.BytesIO, status: int = 400) -> dict:
    async with http.post("/prompt", data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == status, await answer.text()
        said = json.loads(await answer.text(), parse_constant=pytest.fail)
    assert set(said) == {"error", "node_errors"}
    assert set(said["error"]) == FIELDS["error"]
    return said


@pytest.mark.parametrize(("name", "nodes", "kind", "node", "fault"), WRONG, ids=[row[0] for row in WRONG])
async def test_a_wrong_graph_is_refused_with_its_fault(http, name, nodes, kind, node, fault):
    said = await refused(http, json.dumps({"prompt": nodes}).encode())
    assert said["error"]["type"] == kind
    assert said["error"]["message"]
    if node:
        entry = said["node_errors"][node]
        assert set(entry) == {"errors", "dependent_outputs", "class_type"}
        assert fault in [error["type"] for error in entry["errors"]]


@pytest.mark.parametrize(("name", "value", "fault"), NUMBERS)
async def test_a_wrong_value_is_refused_with_its_node_and_input(http, name, value, fault):
    inputs = {"value": 1, "weight": 0.5, "on": True, name: value}
    nodes = prompt(t=("Say", {"text": "x"}), n=("Number", inputs), s=("Show", {"value": ["n", 0]}))
    said = await refused(http, json.dumps({"prompt": nodes}).encode())
    (error,) = said["node_errors"]["n"]["errors"]
    assert error["type"] == fault
    assert error["extra_info"]["input_name"] == name
    assert said["node_errors"]["n"]["dependent_outputs"] == ["s"]
    assert said["node_errors"]["n"]["class_type"] == "Number"


async def test_a_file_that_is_not_there_is_not_in_the_list(http):
    nodes = prompt(a=("Pick", {"image": "../../etc/passwd", "mode": "a"}), b=("Show", {"value": ["a", 0]}))
    said = await refused(http, json.dumps({"prompt": nodes}).encode())
    assert said["node_errors"]["a"]["errors"][0]["type"] == "value_not_in_list"


async def test_a_node_can_judge_its_own_input(http):
    nodes = prompt(a=("Even", {"value": 3}), b=("Show", {"value": ["a", 0]}))
    said = await refused(http, json.dumps({"prompt": nodes}).encode())
    (error,) = said["node_errors"]["a"]["errors"]
    assert (error["type"], error["details"]) == ("custom_validation_failed", "value - it must be even")


MALFORMED = [
    (b"", "invalid_json"),
    (b"{", "invalid_json"),
    (b"\xff\xfe", "invalid_json"),
    (b"[" * 100_000, "invalid_json"),
    (b'{"prompt": ' + b"9" * 5000 + b"}", "invalid_json"),
    (b"[]", "invalid_request"),
    (b"null", "invalid_request"),
    (b'"prompt"', "invalid_request"),
    (b"{}", "no_prompt"),
    (b'{"prompt": {}, "client_id": 5}', "invalid_request"),
    (b'{"prompt": {}, "extra_data": []}', "invalid_request"),
    (b'{"prompt": {}, "number": "1"}', "invalid_request"),
    (b'{"prompt": {}, "number": NaN}', "invalid_request"),
    (b'{"prompt": {}, "number": 1' + b"0" * 400 + b"}", "invalid_request"),
    (b'{"prompt": {}, "front": "yes"}', "invalid_request"),
    (b'{"prompt": {}, "partial_execution_targets": "a"}', "invalid_request"),
    (b'{"prompt": {}, "prompt_id": "mine"}', "invalid_prompt_id"),
    (b'{"prompt": {}, "prompt_id": "9C4B8C86-0A5B-4B8C-9C4B-8C860A5B4B8C"}', "invalid_prompt_id"),
    (b'{"prompt": {}, "prompt_id": 7}', "invalid_prompt_id"),
]


@pytest.mark.parametrize(("body", "kind"), MALFORMED, ids=[repr(body[:40]) for body, _ in MALFORMED])
async def test_a_malformed_body_is_answered_400_in_json(http, body, kind):
    assert (await refused(http, body))["error"]["type"] == kind


async def test_no_prompt_is_said_in_the_words_that_clients_know(http):
    said = await refused(http, b"{}")
    assert said["error"] == {
        "type": "no_prompt",
        "message": "No prompt provided",
        "details": "No prompt provided",
        "extra_info": {},
    }


async def test_a_body_of_64_mb_is_refused_and_the_server_lives(http):
    body = io.BytesIO(b'{"prompt": {"a": "' + b"x" * (64 << 20) + b'"}}')
    assert (await refused(http, body, 413))["error"]["type"] == "body_too_large"
    assert await get(http, "/prompt")


async def test_a_prompt_that_is_taken_answers_id_number_and_no_errors(http):
    id = str(uuid.uuid4())
    said = await queue(
        http, shown("taken"), prompt_id=id, extra_data={"extra_pnginfo": {"workflow": {"id": "w"}}}
    )
    assert set(said) == {"prompt_id", "number", "node_errors"}
    assert (said["prompt_id"], said["node_errors"]) == (id, {})
    entry = await history(http, id)
    assert entry["prompt"][:3] == [said["number"], id, shown("taken")]
    assert entry["prompt"][3]["extra_pnginfo"] == {"workflow": {"id": "w"}}
    assert entry["prompt"][4] == ["b"]


async def test_valid_outputs_run_though_others_are_faulty(http):
    nodes = shown("fine") | prompt(c=("Show", {}))
    said = await queue(http, nodes)
    assert said["node_errors"]["c"]["errors"][0]["type"] == "required_input_missing"
    entry = await history(http, said["prompt_id"])
    assert entry["outputs"] == {"b": {"text": ["fine"]}}


async def test_only_the_asked_outputs_run(http):
    nodes = shown("one") | prompt(c=("Show", {"value": ["a", 0]}))
    said = await queue(http, nodes, partial_execution_targets=["c"])
    assert set((await history(http, said["prompt_id"]))["outputs"]) == {"c"}


async def test_an_id_is_taken_once(http):
    id = str(uuid.uuid4())
    await queue(http, shown("first"), prompt_id=id)
    body = json.dumps({"prompt": shown("second"), "prompt_id": id}).encode()
    assert (await refused(http, body))["error"]["type"] == "invalid_prompt_id"


async def test_secrets_are_not_kept(http):
    extra = {"api_key_comfy_org": "hush", "auth_token_comfy_org": "hush", "other": 1}
    said = await queue(http, shown("secret"), extra_data=extra)
    await history(http, said["prompt_id"])
    async with http.get("/history") as answer:
        text = await answer.text()
    assert "hush" not in text


async def test_nan_beside_the_graph_does_no_harm(http):
    body = json.dumps({"prompt": shown("nan"), "extra_data": {"extra_pnginfo": {"x": math.nan}}}).encode()
    async with http.post("/prompt", data=body) as answer:
        id = (await answer.json())["prompt_id"]
    await history(http, id)
    async with http.get(f"/history/{id}") as answer:
        json.loads(await answer.text(), parse_constant=pytest.fail)


async def test_half_a_character_does_no_harm(http):
    body = json.dumps(
        {"prompt": shown("\ud800"), "extra_data": {"extra_pnginfo": {"workflow": {"id": "\ud800"}}}}
    )
    async with http.post("/prompt", data=body.encode()) as answer:
        assert answer.status == 200
        id = (await answer.json())["prompt_id"]
    assert (await history(http, id))["outputs"] == {"b": {"text": ["?"]}}
    async with http.post("/prompt", data=json.dumps({"prompt": shown("\U0001f9f5")}).encode()) as answer:
        id = (await answer.json())["prompt_id"]
    assert (await history(http, id))["outputs"] == {"b": {"text": ["\U0001f9f5"]}}
    for route, sent in (
        ("/settings", {"\ud800": 1}),
        ("/queue", {"delete": ["\ud800"]}),
        ("/history", {"delete": ["\ud800"]}),
    ):
        async with http.post(route, data=json.dumps(sent).encode()) as answer:
            assert answer.status in (200, 400)


@pytest.mark.parametrize("depth", [50, 400, 900, 990, 5000])
async def test_deep_nesting_does_no_harm(http, depth):
    nested = b"[" * depth + b"]" * depth
    body = b'{"prompt": {"a": {"class_type": "Show", "inputs": {"value": {"__value__": %s}}}}}' % nested
    async with http.post("/prompt", data=body) as answer:
        assert answer.status in (200, 400)
        if answer.status == 200:
            await history(http, (await answer.json())["prompt_id"])


async def test_a_wrapped_list_is_a_constant(http):
    nodes = prompt(b=("Show", {"value": {"__value__": ["a", 0]}}))
    said = await queue(http, nodes)
    assert (await history(http, said["prompt_id"]))["outputs"]["b"]["text"] == ["['a', 0]"]


@pytest.mark.parametrize("wanted", ["never", True, ["stop"]])
async def test_what_an_error_should_do_is_one_of_two_words(http, wanted):
    body = {"prompt": shown("x"), "extra_data": {"on_error": wanted}}
    said = await refused(http, json.dumps(body).encode())
    assert "on_error" in said["error"]["message"]


async def test_a_failure_stops_the_whole_prompt_that_asked_for_it(http):
    nodes = prompt(
        a=("Boom", {"text": ""}),
        b=("Show", {"value": ["a", 0]}),
        c=("Say", {"text": "on"}),
        d=("Show", {"value": ["c", 0]}),
    )
    for wanted, shows in (({"on_error": "stop"}, False), ({}, True)):
        entry = await history(http, (await queue(http, nodes, extra_data=wanted))["prompt_id"])
        assert entry["status"]["status_str"] == "error"
        assert ("d" in entry["outputs"]) is shows
