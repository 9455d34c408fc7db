"""A websocket that keeps what it hears."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.server.api.asking import prompt, queue

FLAGS = {"supports_preview_metadata": True, "supports_progress_text_metadata": True}


def steps(label: str, total: int = 2, seconds: float = 0.01) -> dict:
    """A prompt whose node `a` takes steps; another label makes it run anew."""
    taken = {"total": total, "seconds": seconds, "label": label}
    return prompt(a=("Steps", taken), b=("Show", {"value": ["a", 0]}))


class Ear:
    """A websocket that keeps what it hears."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[dict] = []
        self.frames: list[bytes] = []

    async def agreed(self) -> dict:
        """The answer to an agreement on numbers."""
        return await self.until("weft_hello")

    async def until(self, type: str, **data: object) -> dict:
        """The next message of that type that holds these data."""
        async with asyncio.timeout(20):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.BINARY:
                    self.frames.append(message.data)
                    self.heard.append({"type": f"frame {struct.unpack('>I', message.data[:4])[0]}"})
                    continue
                assert message.type is aiohttp.WSMsgType.TEXT, message
                said = json.loads(message.data)
                self.heard.append(said)
                if said["type"] == type and data.items() <= said["data"].items():
                    return said["data"]

    async def job(self, http, nodes, **more) -> tuple[str, list[dict]]:
        """Queue a prompt; its id and all that is heard until it is over."""
        self.heard.clear()
        id = (await queue(http, nodes, **more))["prompt_id"]
        await self.until("executing", node=None, prompt_id=id)
        return id, list(self.heard)

    @property
    def last(self) -> int:
        """The last number that was heard."""
        return next(
            message["seq"] if "seq" in message else message["data"]["seq"]
            for message in reversed(self.heard)
            if "seq" in message or message["type"] == "weft_hello"
        )

    @property
    def types(self) -> list[str]:
        """Kinds of all that was heard."""
        return [message["type"] for message in self.heard]


@asynccontextmanager
async def listening(
    http: aiohttp.ClientSession, sid: str, flags: Mapping[str, Any] | None = None
) -> AsyncIterator[Ear]:
    """A connection; with `flags`, its first message says that it understands these."""
    async with http.ws_connect(f"/ws?clientId={sid}") as socket:
        if flags is not None:
            await socket.send_json({"type": "feature_flags", "data": flags})
        yield Ear(socket)
