"""Kept results over HTTP: a damaged file is told on its node and computed anew, and no file keeps Stop from being heard."""

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.server.api.asking import queue
from tests.server.api.listening import FLAGS, listening
from tests.server.small_nodes import FACTORY
from tests.server.test_resume import chain, ran, text_of
from tests.serving import serving

posix = pytest.mark.skipif(os.name == "nt", reason="pipes with names are POSIX's")


def kept(workspace: Path, count: int) -> list[Path]:
    """The files of kept results, in the order in which they were written; so many are waited for."""
    until = time.monotonic() + 30
    while True:
        found = sorted(
            (workspace / "user" / "results").glob("*/*.safetensors"), key=lambda path: path.stat().st_mtime_ns
        )
        if len(found) >= count:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.02)


def flipped(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]


@pytest.mark.parametrize(
    "damage", [flipped, lambda whole: whole[:-7], lambda _whole: b""], ids=["flipped", "cut", "empty"]
)
async def test_a_damaged_file_is_told_on_its_node_and_that_node_alone_runs_again(
    tmp_path: Path, damage: Callable[[bytes], bytes]
):
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert text_of(server.run(chain("abc"))) == ["abc"]
        _, middle, _ = kept(tmp_path, 3)
    whole = middle.read_bytes()
    middle.write_bytes(damage(whole))
    with serving(tmp_path, "--factory", FACTORY) as server:
        async with aiohttp.ClientSession(server.url) as http, listening(http, uuid.uuid4().hex, FLAGS) as ear:
            sid = (await ear.until("status"))["sid"]
            id, _ = await ear.job(http, chain("abd"), client_id=sid)  # not `c`, which would need no `b`
            assert text_of(server.ended(id)) == ["abd"]
        texts = [frame for frame in ear.frames if b"was damaged on the disk" in frame]
        assert len(texts) == 1 and b"bWhat was kept" in texts[0], "it is told on b"
        assert len(kept(tmp_path, 4)) == 4
    counts = ran(tmp_path)
    assert {label: counts[f"end {label}"] for label in "abcd"} == {"a": 1, "b": 2, "c": 1, "d": 1}
    assert middle.read_bytes() != damage(whole), "it is kept anew"


@posix
async def test_stop_is_heard_while_a_kept_file_does_not_come(tmp_path: Path):
    """A file on a disk that is gone blocks whoever reads it, as a pipe does into which nobody writes."""
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert text_of(server.run(chain("a"))) == ["a"]
        (file,) = kept(tmp_path, 1)
        server.post("/free", {"free_memory": True})
        file.unlink()
        os.mkfifo(file)
        async with aiohttp.ClientSession(server.url) as http, listening(http, uuid.uuid4().hex) as ear:
            sid = (await ear.until("status"))["sid"]
            id = (await queue(http, chain("a"), client_id=sid))["prompt_id"]
            await ear.until("execution_start", prompt_id=id)
            async with http.post("/interrupt") as answer:
                assert answer.status == 200
            await ear.until("execution_interrupted", prompt_id=id)
        file.unlink()
        assert text_of(server.run(chain("b"))) == ["b"]
