"""A real server with nodes that show each habit, and what its websocket tells in short words."""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from nodes.spec import Registry
from server.worker.parts import Services, WorkerParts
from tests.server.backends.small_nodes import nodes as more_nodes
from tests.server.small_nodes import NODES
from tests.server.small_nodes import build as build_small
from tests.serving import Server, serving

FACTORY = "tests.server.spec.telling:build"
MORE = ("Gate", "Countdown", "Wait", "Numbers", "Add")


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker."""
    more = [made for made in more_nodes() if made.spec.id in MORE]
    return replace(build_small(settings, services), registry=Registry((*NODES, *more)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("telling"), "--factory", FACTORY) as running:
        running.get("/object_info")
        yield running


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


@pytest.fixture
def sid() -> str:
    return uuid.uuid4().hex


def fresh(nodes: Mapping[str, Any], label: str) -> dict[str, Any]:
    """The prompt with another input in each node, so that nothing is cached: also those that nobody declared count."""
    return {id: {**node, "inputs": {**node["inputs"], "marker": label}} for id, node in nodes.items()}


def told(heard: list[dict[str, Any]]) -> list[str]:
    """What was heard in short words, without `progress_state`."""
    return [_short(message) for message in heard if message["type"] != "progress_state"]


def boards(heard: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The nodes of each `progress_state`."""
    return [message["data"]["nodes"] for message in heard if message["type"] == "progress_state"]


def _short(message: dict[str, Any]) -> str:
    kind, data = message["type"], message.get("data", {})
    match kind:
        case "status":
            return f"status {data['status']['exec_info']['queue_remaining']}"
        case "execution_cached":
            return f"cached {' '.join(sorted(data['nodes']))}".strip()
        case "executing":
            shown = data.get("display_node")
            return f"executing {data['node']}" + (f" on {shown}" if shown not in (None, data["node"]) else "")
        case "executed":
            return f"executed {data['node']}"
        case "progress":
            return f"progress {data['node']} {data['value']}/{data['max']}"
        case "execution_error":
            return f"error {data['node_id']} {data['exception_type']}"
        case "execution_interrupted":
            return f"interrupted {data['node_id']}"
        case _:
            return kind.removeprefix("execution_")
