"""Whatever JSON is sent, the answer is JSON and never a fault of ours."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from hypothesis import given, settings
from hypothesis import strategies as st

KEYS = st.sampled_from(
    ["prompt", "client_id", "extra_data", "number", "front", "prompt_id", "partial_execution_targets", "class_type",
     "inputs", "_meta", "value", "text", "clear", "delete", "a", "b", "", "__value__", "job_ids", "unload_models"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["a", "Show", "Say"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
LINKS = st.tuples(st.sampled_from("abc"), st.integers(-1, 2)).map(list)
NODES = st.fixed_dictionaries(
    {"class_type": st.sampled_from(["Say", "Number", "Show", "Even", "Pick", "Note"])},
    optional={
        "inputs": st.dictionaries(
            st.sampled_from(["text", "value", "weight", "on", "image", "mode", "other"]),
            LINKS | JSON,
            max_size=4,
        ),
        "_meta": JSON,
    },
)
GRAPHS = st.dictionaries(st.sampled_from("abc"), NODES, min_size=1)
ROUTES = ["/prompt", "/queue", "/history", "/interrupt", "/free", "/settings", "/api/jobs/cancel"]


def post(url: str, body: Any) -> int:
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=30) as answer:
            answer.read()
            return answer.status
    except HTTPError as error:
        with error:
            said = json.loads(error.read())
            assert said["error"]["message"]
            return error.code


@settings(max_examples=150)
@given(route=st.sampled_from(ROUTES), body=JSON)
def test_any_json_is_answered(server, route, body):
    assert post(server.url + route, body) in (200, 400)


@settings(max_examples=150)
@given(graph=GRAPHS, more=st.dictionaries(KEYS, JSON, max_size=3))
def test_any_graph_is_answered(server, graph, more):
    assert post(f"{server.url}/prompt", more | {"prompt": graph}) in (200, 400)


def test_the_server_still_runs_jobs_after_all_that(server):
    server.post("/queue", {"clear": True})
    graph = {
        "a": {"class_type": "Say", "inputs": {"text": "still"}},
        "b": {"class_type": "Show", "inputs": {"value": ["a", 0]}},
    }
    assert server.run(graph)["outputs"] == {"b": {"text": ["still"]}}
    kept = json.dumps(server.get("/history"), allow_nan=False)
    assert "Weft itself failed" not in kept
