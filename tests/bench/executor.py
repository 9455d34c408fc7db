"""What the executor itself costs: graphs of trivial nodes, from POST to the last event, process backend.

Run `python -m tests.bench.executor [--repeat 5] [--long]` on a quiet machine. Each figure is a median. The grid has 40
rows of 25 nodes; a node adds its left and its upper neighbour; a row ends in an output. "One constant changed" changes
the first number of the last row, so one row runs again. The chain has one output, at its end.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from tests.bench.trivial_nodes import FACTORY
from tests.serving import serving

Prompt = dict[str, Any]
CLIENT = "bench"


def grid(start: int, last: int, rows: int = 40, columns: int = 25) -> Prompt:
    """`rows` times `columns` nodes. `start` is the number the first row begins with, `last` the last row."""
    prompt: Prompt = {}
    for row in range(rows):
        begins = last if row == rows - 1 else start + row
        prompt[f"{row}.0"] = {"class_type": "Constant", "inputs": {"value": begins}}
        for column in range(1, columns - 1):
            above = f"{row - 1}.{column}" if row and row < rows - 1 else f"{row}.0"
            inputs = {"left": [f"{row}.{column - 1}", 0], "above": [above, 0]}
            prompt[f"{row}.{column}"] = {"class_type": "Add", "inputs": inputs}
        prompt[f"{row}.{columns - 1}"] = {
            "class_type": "Sink",
            "inputs": {"value": [f"{row}.{columns - 2}", 0]},
        }
    return prompt


def chain(start: int, last: int, length: int = 900) -> Prompt:
    """`length` nodes in a row; `last` is a number that only the last but one takes in."""
    prompt: Prompt = {"0": {"class_type": "Constant", "inputs": {"value": start}}}
    prompt["last"] = {"class_type": "Constant", "inputs": {"value": last}}
    for index in range(1, length - 2):
        above = "last" if index == length - 3 else str(index - 1)
        prompt[str(index)] = {
            "class_type": "Add",
            "inputs": {"left": [str(index - 1), 0], "above": [above, 0]},
        }
    prompt[str(length)] = {"class_type": "Sink", "inputs": {"value": [str(length - 3), 0]}}
    return prompt


async def measure(url: str, repeat: int, make: Callable[[int, int], Prompt], name: str) -> None:
    """Print the three cases of one graph."""
    cases: dict[str, list[tuple[float, float]]] = {
        "cold": [],
        "one constant changed": [],
        "nothing changed": [],
    }
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/ws?clientId={CLIENT}", max_msg_size=0) as socket,
    ):
        await socket.receive()
        for turn in range(repeat):
            base = 1_000_000 * (turn + 1)
            first, second = make(base, base), make(base, base + 7)
            for case, prompt in zip(cases, (first, second, second), strict=True):
                cases[case].append(await once(session, socket, url, prompt))
    for case, rows in cases.items():
        posts, wholes = zip(*rows, strict=True)
        count, whole = len(make(0, 0)), median(wholes) * 1000
        print(
            f"{name:>14} {count:>6} {case:>22} {median(posts) * 1000:9.1f} {whole:9.1f} {whole / count:9.4f}"
        )


async def once(session: aiohttp.ClientSession, socket: Any, url: str, prompt: Prompt) -> tuple[float, float]:
    """Seconds until the POST was answered, and until the last event came."""
    body = {"prompt": prompt, "client_id": CLIENT}
    began = time.perf_counter()
    async with session.post(f"{url}/prompt", json=body) as answer:
        assert answer.status == 200, await answer.text()
        job = (await answer.json())["prompt_id"]
    posted = time.perf_counter() - began
    while True:
        message = await socket.receive()
        assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
        if message.type is aiohttp.WSMsgType.TEXT and '"executing"' in message.data[:40]:
            data = message.json()["data"]
            if data["node"] is None and data.get("prompt_id") == job:
                return posted, time.perf_counter() - began


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--long", action="store_true", help="chains of 3,000 and 10,000 too")
    given = parser.parse_args()
    print(f"{'graph':>14} {'nodes':>6} {'case':>22} {'POST ms':>9} {'all ms':>9} {'ms/node':>9}")
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--factory", FACTORY) as server:
        server.get("/object_info")
        asyncio.run(measure(server.url, given.repeat, grid, "grid"))
        for length in (900, 3000, 10_000) if given.long else (900,):
            asyncio.run(measure(server.url, given.repeat, partial(chain, length=length), f"chain {length}"))


if __name__ == "__main__":
    main()
