"""What the events of a run cost: messages and bytes that a client is sent, and time to the last of them.

Run `python -m tests.bench.events [NODES ...]`. Chains of trivial nodes, nothing cached, on a server of their own; one
client as the field's are, one that agreed on numbers. Then the cost of measuring memory around a node.
"""

import asyncio
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from server.worker.usage import Meter
from tests.server.api.asking import queue
from tests.server.small_nodes import FACTORY
from tests.serving import serving

SIZES = (100, 1000, 3000)
KINDS = {"field": {}, "numbered": {"weft_events": True}}
READINGS = 50_000


@dataclass
class Heard:
    """What one client was sent for one job."""

    messages: int = 0
    size: int = 0
    boards: int = 0
    board_size: int = 0
    seconds: float = 0.0


def chain(nodes: int, label: str) -> dict[str, Any]:
    """A chain of nodes that hand a text on, and one that shows it."""
    made: dict[str, Any] = {"n0": {"class_type": "Say", "inputs": {"text": label}}}
    for index in range(1, nodes - 1):
        made[f"n{index}"] = {"class_type": "Say", "inputs": {"text": [f"n{index - 1}", 0]}}
    made["out"] = {"class_type": "Show", "inputs": {"value": [f"n{nodes - 2}", 0]}}
    return made


async def listened(url: str, nodes: int, flags: dict[str, Any]) -> Heard:
    """Queue a chain and count what is heard of it until it is over."""
    sid, heard = uuid.uuid4().hex, Heard()
    async with aiohttp.ClientSession(url) as http, http.ws_connect(f"/ws?clientId={sid}") as socket:
        await socket.send_json({"type": "feature_flags", "data": flags})
        started = time.perf_counter()
        id = (await queue(http, chain(nodes, sid), client_id=sid))["prompt_id"]
        async for message in socket:
            size = len(message.data)
            heard.messages, heard.size = heard.messages + 1, heard.size + size
            if '"progress_state"' in message.data:
                heard.boards, heard.board_size = heard.boards + 1, heard.board_size + size
            if '"executing"' in message.data and '"node":null' in message.data and id in message.data:
                break
    heard.seconds = time.perf_counter() - started
    return heard


def main() -> None:
    """Print a line for each size and kind of client."""
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    print(
        f"{'nodes':>6} {'client':>9} {'messages':>9} {'bytes':>10} {'a node':>7} {'boards':>7} {'of bytes':>10} {'s':>7}"
    )
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--factory", FACTORY) as server:
        server.get("/object_info")
        asyncio.run(listened(server.url, 10, {}))
        for nodes in sizes:
            for kind, flags in KINDS.items():
                heard = asyncio.run(listened(server.url, nodes, flags))
                print(
                    f"{nodes:>6} {kind:>9} {heard.messages:>9} {heard.size:>10} {heard.size / nodes:>7.0f}"
                    f" {heard.boards:>7} {heard.board_size:>10} {heard.seconds:>7.2f}"
                )
    print(f"memory measured around a node: {metered():.1f} microseconds")


def metered() -> float:
    """Microseconds that measuring takes for one node."""
    meter = Meter(lambda: 0)
    started = time.perf_counter()
    for _ in range(READINGS):
        meter.since(meter.read(), 0.0)
    seconds = time.perf_counter() - started
    meter.close()
    return seconds / READINGS * 1e6


if __name__ == "__main__":
    main()
