"""The line between a browser and the server: a real one, which can be cut and mended."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit

CHUNK = 1 << 16


class Line:
    """Listens on a port of its own and hands all on to the server at `address`. Its loop runs in a thread."""

    def __init__(self, address: str) -> None:
        self._target = urlsplit(address).port
        self._whole = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """End all connections; new ones end at once."""
        self._whole = False
        self._do(self._end_all())

    def mend(self, address: str | None = None) -> None:
        """Connections last again; with `address`, to another server."""
        self._target = self._target if address is None else urlsplit(address).port
        self._whole = True

    def close(self) -> None:
        """End it, with all that still goes through it."""
        self._whole = False
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _end_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)  # what reads from them ends too

    async def _end(self) -> None:
        self._server.close()
        await self._end_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
        await self._end_all()  # also what was opened meanwhile

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            if self._whole:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(far_writer)
                await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
                self._writers.discard(far_writer)
        self._writers.discard(writer)
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def line_to(address: str) -> Iterator[Line]:
    """A line to a server, ended on leaving."""
    line = Line(address)
    try:
        yield line
    finally:
        line.close()
