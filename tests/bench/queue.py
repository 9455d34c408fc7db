"""What the job system costs: prompts a second from many clients, the answer to a large prompt, history, memory.

Run `python -m tests.bench.queue [JOBS]` on a quiet machine. Nodes are trivial, so what is measured is Weft. Every job is
durable before its POST is answered. The clients are a process of their own: on two cores they take their share of the time.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit
from uuid import uuid4

from server.jobs.job import Job, Result, State, Wish
from server.store import Store
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving

CLIENTS = 16
HISTORY = 10_000
CHAINS, LENGTH = 40, 25  # of the large prompt: 1,000 nodes
TURNS = 31


def main(jobs: int) -> None:
    """Print one line for each figure."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--factory", FACTORY) as server:
        server.get("/object_info")
        idle = memory(server)
        say("server process, idle, MB", idle)
        asyncio.run(throughput(server, jobs))  # warm: what waits at once takes memory too
        before, finished = memory(server), finished_jobs(server)
        answered, ended = asyncio.run(throughput(server, jobs))
        say(f"3-node prompts answered a second, {CLIENTS} clients", answered)
        say("the same, until all have run", ended)
        grown = (memory(server) - before) / (finished_jobs(server) - finished) * 1000
        say("server process grows for 1,000 finished jobs, MB", grown)
        asyncio.run(large(server))
    asyncio.run(listings())


def say(what: str, value: float) -> None:
    """One line of the table."""
    print(f"{what:<60} {value:>10.2f}", flush=True)


def memory(server: Server) -> float:
    """MB of the server process alone."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


def finished_jobs(server: Server) -> int:
    """How many jobs are over."""
    return server.get("/api/jobs?status=completed&limit=1")["pagination"]["total"]


class Client:
    """One connection that asks and waits, as cheaply as Python can."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The answer's body; it must be a good one."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        lines = answer.lower().split(b"\r\n")
        sizes = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")]
        if sizes:
            return await self._reader.readexactly(sizes[0])
        body = b""
        while size := int(await self._reader.readuntil(b"\r\n"), 16):  # chunked
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return body


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[Client]:
    """A client of the server."""
    address = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 26)
    yield Client(reader, writer)
    writer.close()


def small() -> Iterator[bytes]:
    """Prompts of three nodes, no two alike."""
    while True:
        nodes = {
            "a": {"class_type": "Say", "inputs": {"text": uuid4().hex}},
            "b": {"class_type": "Say", "inputs": {"text": ["a", 0]}},
            "c": {"class_type": "Show", "inputs": {"value": ["b", 0]}},
        }
        yield json.dumps({"prompt": nodes, "client_id": "bench"}).encode()


async def throughput(server: Server, jobs: int) -> tuple[float, float]:
    """Jobs a second: answered, and run."""
    prompts = small()
    left = iter(range(jobs))

    async def client() -> None:
        async with connected(server) as asks:
            for _ in left:
                await asks.ask("POST", "/prompt", next(prompts))

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    answered = time.perf_counter() - start
    async with connected(server) as asks:
        while json.loads(await asks.ask("GET", "/prompt"))["exec_info"]["queue_remaining"]:
            await asyncio.sleep(0.01)
    return jobs / answered, jobs / (time.perf_counter() - start)


async def large(server: Server) -> None:
    """The answer to a POST of 1,000 nodes, while nothing runs."""
    async with connected(server) as asks:
        await asks.ask("POST", "/api/jobs/pause")

        def body(turn: int) -> bytes:
            nodes = {}
            for chain in range(CHAINS):
                for index in range(LENGTH - 1):
                    text = [f"{chain}.{index - 1}", 0] if index else f"{turn} {chain}"
                    nodes[f"{chain}.{index}"] = {"class_type": "Say", "inputs": {"text": text}}
                nodes[f"{chain}"] = {"class_type": "Show", "inputs": {"value": [f"{chain}.{LENGTH - 2}", 0]}}
            return json.dumps({"prompt": nodes}).encode()

        bodies = iter([body(turn) for turn in range(TURNS + 3)])
        await timed(
            "POST of 1,000 nodes answered, ms", lambda: asks.ask("POST", "/prompt", next(bodies)), turns=TURNS
        )


async def timed(what: str, ask: Callable[[], Awaitable[object]], *, turns: int = 11) -> None:
    """Print the median of some turns in ms, after three that do not count."""
    times = []
    for _ in range(turns + 3):
        start = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - start) * 1000)
    say(what, median(times[3:]))


async def listings() -> None:
    """Lists of a long history."""
    with tempfile.TemporaryDirectory() as folder:
        await fill(Path(folder) / "user" / "weft.db")
        with serving(Path(folder), "--factory", FACTORY) as server:
            server.get("/object_info")
            say("server process with a long history, idle, MB", memory(server))
            async with connected(server) as asks:
                over = "status=completed,failed,cancelled"
                for path in (
                    f"/api/jobs?{over}&limit=200&offset=0",
                    f"/api/jobs?{over}&limit=200&offset=9800",
                    f"/api/jobs?{over}&limit=200&sort_by=execution_duration",
                    "/history?max_items=200",
                    f"/api/jobs?{over}",
                    "/history",
                ):
                    await timed(f"{path.replace(over, '...')}, ms", lambda path=path: asks.ask("GET", path))
            say(
                "longest answer of others while all of /history is told, ms",
                await held_up(server, "/history"),
            )


async def held_up(server: Server, path: str) -> float:
    """The longest that a short question took, in ms, while others asked for the path again and again."""
    longest = 0.0
    async with connected(server) as asks, connected(server) as short:
        asked = asyncio.create_task(asks.ask("GET", path))
        for _ in range(3):
            while not asked.done():
                start = time.perf_counter()
                await short.ask("GET", "/prompt")
                longest = max(longest, (time.perf_counter() - start) * 1000)
                await asyncio.sleep(0.002)
            await asked
            asked = asyncio.create_task(asks.ask("GET", path))
        await asked
    return longest


async def fill(path: Path) -> None:
    """A history of many jobs, each as the run of a small picture workflow leaves it."""
    store = await Store.open(path)
    for block in range(0, HISTORY, 500):
        jobs = [Job(wish(index), index, index) for index in range(block, block + 500)]
        await asyncio.gather(*(store.add(job) for job in jobs))
        await store.finish_all({job.id: result(job.sequence) for job in jobs})
    await store.close()


def wish(index: int) -> Wish:
    """One of them, with its workflow."""
    prompt = {str(node): {"class_type": "Say", "inputs": {"text": f"input {node}"}} for node in range(10)}
    workflow = {"id": "w", "nodes": [{"id": node, "type": "Say", "pos": [1, 2]} for node in range(10)]}
    return Wish(
        id=str(uuid4()), prompt=prompt, extra={"extra_pnginfo": {"workflow": workflow}}, created=index
    )


def result(index: int) -> Result:
    """How one of them went."""
    picture = {"filename": f"weft_{index:05}_.png", "subfolder": "", "type": "output"}
    return Result(
        state=State.COMPLETED,
        started=index,
        ended=index + 5,
        outputs={"9": {"images": [picture]}},
        messages=[
            [kind, {"prompt_id": "x", "timestamp": 1}] for kind in ("execution_start", "execution_success")
        ],
        meta={"9": {"node_id": "9", "display_node": "9", "parent_node": None, "real_node_id": "9"}},
        timings={str(node): 0.01 for node in range(10)},
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
