"""EXECUTOR.md section 2: POST /prompt, and a workflow posted where a prompt is expected."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.server.spec.asking import Answer, ask, post
from tests.server.spec.playing import node
from tests.server.spec.served import FACTORY
from tests.serving import Server, serving

SHOW = {"out": node("Show", value=1)}


def slow(seconds: float = 1.0) -> dict[str, Any]:
    """A prompt that keeps the server busy; no result of it is known."""
    return {"w": node("Wait", seconds=seconds, value=str(uuid.uuid4())), "out": node("Show", value=["w", 0])}


def pending(server: Server) -> list[str]:
    return [item[1] for item in server.get("/queue")["queue_pending"]]


@pytest.mark.parametrize("path", ["/prompt", "/api/prompt"])
def test_2_6_taken_says_id_number_and_no_errors(server: Server, path: str):
    answer = post(server, {"prompt": SHOW}, path)
    assert answer.status == 200 and answer.body.keys() == {"prompt_id", "number", "node_errors"}
    assert (
        str(uuid.UUID(answer.body["prompt_id"])) == answer.body["prompt_id"]
        and answer.body["node_errors"] == {}
    )


def test_2_2_numbers_rise_by_one(server: Server):
    first, second = ask(server, SHOW).body["number"], ask(server, SHOW).body["number"]
    assert second == first + 1


def test_2_2_lower_numbers_run_first_and_the_callers_number_counts(server: Server):
    ask(server, slow())
    ids = [ask(server, slow(0), number=number).body["prompt_id"] for number in (1e6, 1e5, 2e5 + 0.5)]
    assert [id for id in pending(server) if id in ids] == [ids[1], ids[2], ids[0]]
    for id in ids:
        server.ended(id)


def test_2_2_front_goes_before_all_that_wait(server: Server):
    running = ask(server, slow()).body["prompt_id"]
    last = ask(server, slow(0)).body["prompt_id"]
    first = ask(server, slow(0), front=True).body
    assert first["number"] < 0 and pending(server)[0] == first["prompt_id"]
    for id in (running, first["prompt_id"], last):
        server.ended(id)


def test_2_2_quirk_front_on_a_fresh_server_is_in_front_too(tmp_path: Path):
    """In the field the first number is 0, and its negative is no smaller. And (5) a restart loses nothing here."""
    with serving(tmp_path, "--factory", FACTORY) as fresh:
        fresh.get("/object_info")
        first = ask(fresh, slow(), front=True).body
        second = ask(fresh, SHOW, number=first["number"]).body
        assert first["number"] < 0 or pending(fresh) == [second["prompt_id"]]
        front = ask(fresh, SHOW, front=True).body
        assert front["number"] < first["number"]
        for answer in (first, second, front):
            fresh.ended(answer["prompt_id"])
        before = fresh.get("/history")
    with serving(tmp_path, "--factory", FACTORY) as again:
        assert again.get("/history") == before, "limit: a restart loses both"
        assert ask(again, SHOW).body["number"] > second["number"], "numbers go on"


def test_2_3_the_callers_id_is_taken(server: Server):
    id = str(uuid.uuid4())
    assert ask(server, SHOW, prompt_id=id).body["prompt_id"] == id


BAD_IDS = ["mine", "", str(uuid.uuid4()).upper(), uuid.uuid4().hex, "{" + str(uuid.uuid4()) + "}"]


@pytest.mark.parametrize("id", BAD_IDS, ids=["text", "empty", "upper-case", "no-dashes", "braces"])
def test_2_3_an_id_that_is_no_canonical_uuid_is_refused(server: Server, id: str):
    answer = ask(server, SHOW, prompt_id=id)
    assert (answer.status, answer.body["node_errors"]) == (400, {})
    assert (answer.error["type"], answer.error["message"]) == (
        "invalid_prompt_id",
        "prompt_id must be a valid UUID",
    )
    assert answer.error.keys() == {"type", "message", "details", "extra_info"}


def test_2_5_extra_data_is_kept_secrets_are_not(server: Server):
    extra = {
        "extra_pnginfo": {"workflow": {"id": "w"}},
        "auth_token_comfy_org": "hush",
        "api_key_comfy_org": "hush",
    }
    entry = server.ended(ask(server, SHOW, extra_data=extra, client_id="me").body["prompt_id"])
    kept = entry["prompt"][3]
    assert isinstance(kept.pop("create_time"), int)
    assert kept == {"extra_pnginfo": {"workflow": {"id": "w"}}, "client_id": "me"}
    assert len(entry["prompt"]) == 5 and "hush" not in json.dumps(server.get("/history"))


def test_2_5_nodes_get_the_secrets(server: Server):
    extra = {"auth_token_comfy_org": "hush", "api_key_comfy_org": "key", "comfy_usage_source": "test"}
    entry = server.ended(ask(server, {"h": node("Hidden")}, extra_data=extra).body["prompt_id"])
    shown = entry["outputs"]["h"]
    assert (shown["auth_token_comfy_org"], shown["api_key_comfy_org"]) == (["hush"], ["key"])
    assert shown["comfy_usage_source"] == ["test"]


def test_2_6_no_prompt(server: Server):
    answer = post(server, {"client_id": "me"})
    said = {
        "type": "no_prompt",
        "message": "No prompt provided",
        "details": "No prompt provided",
        "extra_info": {},
    }
    assert (answer.status, answer.body) == (400, {"error": said, "node_errors": {}})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"3", b"\xff", b"[" * 5000], ids=str)
def test_2_6_malformed_bodies_are_a_400_in_json(server: Server, body: bytes):
    answer = post(server, body)
    assert answer.status == 400 and answer.error.keys() == {"type", "message", "details", "extra_info"}


# --- a workflow where a prompt is expected ----------------------------------------------------------------------------

WORKFLOW = {
    "version": 0.4,
    "nodes": [
        {"id": 1, "type": "Add", "outputs": [{"name": "out", "type": "*", "links": [1]}]},
        {"id": 2, "type": "Show", "inputs": [{"name": "value", "type": "*", "link": 1}]},
        {
            "id": 3,
            "type": "Describe",
            "widgets_values": [2**6, 1.5, "words", True, "heun", "choice 3", "x", "a"],
        },
        {"id": 4, "type": "Show", "mode": 2},
        {"id": 5, "type": "Note", "widgets_values": ["hello"]},
    ],
    "links": [[1, 1, 0, 2, 0, "*"]],
}


@pytest.mark.parametrize("bare", [False, True], ids=["as-the-prompt", "as-the-body"])
def test_2_a_workflow_is_converted_and_goes_into_pictures(server: Server, bare: bool):
    answer = post(server, WORKFLOW if bare else {"prompt": WORKFLOW})
    assert (answer.status, answer.body["node_errors"]) == (200, {})
    entry = server.ended(answer.body["prompt_id"])
    assert entry["prompt"][2]["2"] == {
        "class_type": "Show",
        "inputs": {"value": ["1", 0]},
        "_meta": {"title": "Show"},
    }
    assert entry["prompt"][2].keys() == {"1", "2", "3"}
    assert entry["prompt"][3]["extra_pnginfo"] == {"workflow": WORKFLOW}
    assert entry["outputs"]["2"] == {"text": [0]} and entry["outputs"]["3"]["steps"] == ["int: 64"]


def test_2_a_workflow_beside_its_own_extra_data(server: Server):
    more = {"extra_pnginfo": {"workflow": {"id": "mine"}, "note": "x"}}
    answer = post(server, {"prompt": WORKFLOW, "extra_data": more, "partial_execution_targets": ["2"]})
    entry = server.ended(answer.body["prompt_id"])
    assert entry["prompt"][3]["extra_pnginfo"] == more["extra_pnginfo"] and entry["prompt"][4] == ["2"]


def refused(answer: Answer) -> tuple[int, str, Any]:
    return answer.status, answer.error["type"], answer.error["extra_info"].get("node_id")


def test_2_a_workflow_with_a_node_that_nobody_describes_names_it(server: Server):
    answer = post(server, {"prompt": {"nodes": [{"id": 7, "type": "NobodysNode"}], "links": []}})
    assert refused(answer) == (400, "missing_node_type", "7") and "NobodysNode" in answer.error["message"]


@pytest.mark.parametrize("broken", [{"nodes": [5]}, {"nodes": []}, {"nodes": [{"id": 1}]}], ids=str)
def test_2_a_workflow_with_nothing_to_run_is_refused(server: Server, broken: Any):
    answer = post(server, {"prompt": broken})
    assert answer.status == 400 and answer.error["message"]
