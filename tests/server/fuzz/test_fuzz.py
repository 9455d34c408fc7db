"""Ten thousand mutated inputs against one real server: no crash, no answer of 500, no hang, no file outside its folders.

`WEFT_FUZZ_SEED=7` makes other ones; what failed says its number: `WEFT_FUZZ_ONLY=123` sends that one alone.
"""

import asyncio
import contextlib
import io
import json
import os
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from nodes.spec import NodeSpec
from server.api import wire
from server.api.wire import BadRequest
from server.graph.convert import read_specs, workflow_to_prompt
from server.graph.errors import PromptError
from tests.server.api.asking import history, queue, shown
from tests.server.fuzz import inputs
from tests.server.fuzz.mutations import Mutator
from tests.server.fuzz.small import FACTORY
from tests.serving import Server, serving

AT_ONCE = 4
LONGEST_FRAME = 70_000  # bytes
PATIENCE = 60  # seconds for one answer
SHARES = {
    "prompts": 4600,
    "workflows": 1200,
    "frames": 1500,
    "forms": 1500,
    "pictures": 600,
    "headers": 600,
}  # of 10,000
SEED = int(os.environ.get("WEFT_FUZZ_SEED", "20260101"))
Send = Callable[[Mutator, int], Awaitable[int]]


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the workspace and nothing else, before and after."""
    return tmp_path_factory.mktemp("outside")


@pytest.fixture(scope="module")
def server(outside: Path) -> Iterator[Server]:
    workspace = outside / "in" / "workspace"
    workspace.mkdir(parents=True)
    with serving(workspace, "--factory", FACTORY) as running:
        running.get("/object_info")
        (workspace / "input").mkdir(exist_ok=True)
        (workspace / "input" / "one.png").write_bytes(inputs.picture())
        yield running


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with aiohttp.ClientSession(server.url, timeout=timeout) as session:
        yield session


class Fuzz:
    """Sends mutated inputs, some at once, and counts the answers."""

    def __init__(self, outside: Path, seed: int, only: int | None) -> None:
        self._outside = str(outside)
        self._seed = seed
        self._only = only
        self.answers: Counter[int] = Counter()
        self.faults: list[str] = []

    async def run(self, kind: str, send: Send) -> None:
        numbers = range(SHARES[kind]) if self._only is None else (self._only,)
        waiting = iter(numbers)
        await asyncio.gather(*(self._work(kind, waiting, send) for _ in range(AT_ONCE)))
        print(f"{kind}, seed {self._seed}: {dict(self.answers)}")
        assert not self.faults, "\n".join((f"{len(self.faults)} faults", *self.faults[:20]))

    async def _work(self, kind: str, waiting: Iterator[int], send: Send) -> None:
        for number in waiting:
            mutator = Mutator(self._seed * 1_000_003 + number, self._outside)
            try:
                status = await send(mutator, number)
                assert status < 500, status
            except Exception as error:  # noqa: BLE001 - all are counted, and told at the end
                where = traceback.extract_tb(error.__traceback__)[-1]
                what = f"{type(error).__name__} {error} ({where.filename}:{where.lineno})"
                self.faults.append(f"{kind} {number} of seed {self._seed}: {what}")
            else:
                self.answers[status] += 1


@pytest.fixture
def fuzz(outside: Path) -> Fuzz:
    only = os.environ.get("WEFT_FUZZ_ONLY")
    return Fuzz(outside, SEED, None if only is None else int(only))


async def post(http: aiohttp.ClientSession, path: str, data: bytes, kind: str = "application/json") -> int:
    async with http.post(path, data=io.BytesIO(data), headers={"Content-Type": kind}) as answer:
        text = await answer.text()
        if answer.status != 200:
            assert answer.content_type == "application/json", text
            assert json.loads(text)["error"]["message"], text
        return answer.status


async def get(http: aiohttp.ClientSession, path: str, **query: str) -> int:
    async with http.get(path, params=query) as answer:
        await answer.read()
        return answer.status


async def test_prompts(http, fuzz):
    async def send(mutator: Mutator, _number: int) -> int:
        sent = inputs.named(mutator.random.choice(inputs.PROMPTS), mutator)
        return await post(http, "/prompt", mutator.json(inputs.body(sent)))

    await fuzz.run("prompts", send)
    assert fuzz.answers[200] and fuzz.answers[400]


async def test_workflows(http, fuzz):
    specs = read_specs(inputs.golden("object_info"))
    templates = sorted(inputs.golden("workflows").values(), key=lambda made: len(json.dumps(made)))[:40]

    async def send(mutator: Mutator, _number: int) -> int:
        workflow = inputs.WORKFLOW if mutator.random.random() < 0.5 else mutator.random.choice(templates)
        sent = mutator.json(inputs.body(workflow))
        _convert(sent, specs)
        return await post(http, "/prompt", sent)

    await fuzz.run("workflows", send)
    assert fuzz.answers[400]


def _convert(sent: bytes, specs: Mapping[str, NodeSpec]) -> None:
    """As `weft convert` does: a wrong workflow is a fault in words, whatever is wrong."""
    with contextlib.suppress(BadRequest, PromptError):
        workflow_to_prompt(wire.read_object(wire.loads(sent)).get("prompt"), specs)


async def test_frames(server, http, fuzz):
    address = urlsplit(server.url)
    opening = (
        f"GET /ws?clientId=fuzz HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()

    async def send(mutator: Mutator, _number: int) -> int:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(opening)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        frames = [
            inputs.frame(mutator.random, mutator.json(inputs.HELLO)[:LONGEST_FRAME])
            for _ in range(mutator.random.choice((1, 2, 5)))
        ]
        with contextlib.suppress(ConnectionError):  # the server may hang up at any of them
            writer.writelines(frames)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
        await asyncio.wait_for(_read_all(reader), PATIENCE)  # the server must end what we ended
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return int(head.split()[1])

    async def send_json(mutator: Mutator, number: int) -> int:
        if number % 3:
            return await send(mutator, number)
        async with http.ws_connect(f"/ws?clientId=fuzz{number % 7}") as socket:
            await socket.send_bytes(mutator.bytes(b"x" * 20))
            for _ in range(3):
                # A message that is too large ends the connection, as it should.
                await socket.send_str(mutator.json(inputs.HELLO).decode("latin-1")[:LONGEST_FRAME])
            assert (await socket.receive_json())["type"] == "status"
        return 101

    await fuzz.run("frames", send_json)


async def _read_all(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(1 << 16):
            pass
    except ConnectionError:
        return


async def test_forms(http, fuzz):
    async def send(mutator: Mutator, _number: int) -> int:
        data, kind = inputs.form(mutator, inputs.picture())
        return await post(http, mutator.random.choice(("/upload/image", "/upload/mask")), data, kind)

    await fuzz.run("forms", send)
    assert fuzz.answers[200] and fuzz.answers[400]


async def test_pictures(http, fuzz):
    async def send(mutator: Mutator, number: int) -> int:
        name = f"fuzz{number % AT_ONCE}.png"
        form = aiohttp.FormData({"overwrite": "true"})
        form.add_field("image", inputs.mutated_picture(mutator), filename=name)
        async with http.post("/upload/image", data=form) as answer:
            assert answer.status == 200
        query = mutator.random.choice(
            ({"channel": "rgb"}, {"channel": "a"}, {"preview": "webp;90"}, {"preview": "jpeg"})
        )
        status = await get(http, "/view", filename=name, type="input", **query)
        mask = aiohttp.FormData({"original_ref": json.dumps({"filename": name, "type": "input"})})
        mask.add_field("image", inputs.mutated_picture(mutator), filename="mask.png")
        async with http.post("/upload/mask", data=mask) as answer:
            return max(status, answer.status)

    await fuzz.run("pictures", send)


async def test_headers(http, fuzz, outside):
    folder = outside / "in" / "workspace" / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)

    async def send(mutator: Mutator, number: int) -> int:
        name = f"fuzz{number % AT_ONCE}.safetensors"
        (folder / name).write_bytes(inputs.weights(mutator))
        tricky = mutator.name(name).replace(".png", ".safetensors")
        assert await get(http, "/view_metadata/loras", filename=tricky) < 500
        return await get(http, "/view_metadata/loras", filename=name)

    await fuzz.run("headers", send)
    assert fuzz.answers[200] and fuzz.answers[404]


async def test_after_all_that_the_server_runs_jobs_and_its_answers_are_json(server, http):
    assert server.process.poll() is None
    await post(http, "/queue", b'{"clear": true}')
    await post(http, "/interrupt", b"{}")
    entry = await history(http, (await queue(http, shown("still")))["prompt_id"], 120)
    assert entry["outputs"]["b"] == {"text": ["still"]}
    async with http.get("/history") as answer:
        kept = json.loads(await answer.text(), parse_constant=pytest.fail)
    assert "Weft itself failed" not in json.dumps(kept)


def test_nothing_was_written_outside_the_workspace(outside):
    assert [path.name for path in outside.iterdir()] == ["in"]
    assert [path.name for path in (outside / "in").iterdir()] == ["workspace"]
    assert not any(
        path.exists()
        for path in (Path("/evil.png"), Path("/tmp/evil.png"), Path("evil"), Path.home() / "evil.png")
    )
    workspace = outside / "in" / "workspace"
    assert {path.name for path in workspace.iterdir()} <= {
        "custom_nodes",
        "input",
        "models",
        "output",
        "temp",
        "user",
    }
    assert not any(
        "evil" in path.name
        for name in ("user", "custom_nodes", "models")
        for path in (workspace / name).rglob("*")
    )
