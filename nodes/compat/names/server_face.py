"""What packs expect of a module called `server`: `PromptServer.instance`, a face of the server that runs elsewhere."""

import asyncio
import io
import json
import logging
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from aiohttp import web

from nodes.compat import current
from nodes.compat.names.execution import PromptQueue
from nodes.spec import plain

__all__ = ["BinaryEventTypes", "PromptServer", "web"]

KINDS = {"JPEG": 1, "PNG": 2}

log = logging.getLogger(__name__)


class BinaryEventTypes:
    PREVIEW_IMAGE = 1
    UNENCODED_PREVIEW_IMAGE = 2
    TEXT = 3
    PREVIEW_IMAGE_WITH_METADATA = 4


def _nobody(_event: str | int, _data: object, _client: str | None) -> None:
    """There is no server to tell."""


class PromptServer:
    """One per worker. Packs may store attributes of their own on it.

    Args:
        publish: hands an event over to the server, which tells the client (None: all clients).
    """

    instance: ClassVar["PromptServer"]

    def __init__(
        self,
        publish: Callable[[str | int, Any, str | None], None] = _nobody,
        prompt_queue: PromptQueue | None = None,
    ) -> None:
        PromptServer.instance = self
        self.publish = publish
        self.prompt_queue = prompt_queue or PromptQueue()
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.app = web.Application(client_max_size=0)  # the server has a limit of its own
        self.routes = web.RouteTableDef()
        self.supports: list[str] = []
        self.on_prompt_handlers: list[Callable[[dict[str, Any]], dict[str, Any]]] = []
        self.sockets: dict[str, Any] = {}
        self.sockets_metadata: dict[str, Any] = {}
        self.number = 0
        self._client_of_job: str | None = None

    def keep_routes(self, kept: Sequence[web.AbstractRouteDef]) -> None:
        """Ours, not the field's: of the routes that packs registered, only these are left. Packs hold the table."""
        self.routes._items[:] = kept  # noqa: SLF001 - a table of routes can only grow otherwise

    @cached_property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which routes of packs run; it begins when somebody first asks for it."""
        return running_loop()

    # --- what runs ------------------------------------------------------------------------------------------------

    def begin(self, job: str, client: str | None) -> None:
        """A job starts."""
        self.last_prompt_id = job
        self._client_of_job = client

    @property
    def client_id(self) -> str | None:
        call = current.running()
        if call is None:
            return self._client_of_job
        client = call.context.extra.get("client_id")
        return client if isinstance(client, str) else None

    @client_id.setter
    def client_id(self, client: str | None) -> None:
        self._client_of_job = client

    @property
    def last_node_id(self) -> str | None:
        call = current.running()
        if call is None or self.client_id is None:
            return None
        return getattr(getattr(call.context, "task", None), "display", call.context.node_id)

    # --- events ---------------------------------------------------------------------------------------------------

    def send_sync(self, event: str | int, data: Any, sid: str | None = None) -> None:
        """From any thread. A str goes as JSON, an int as bytes; `sid` None is everybody."""
        if isinstance(event, str):
            self.publish(event, plain(data), sid)
        elif event == BinaryEventTypes.UNENCODED_PREVIEW_IMAGE:
            self.publish(BinaryEventTypes.PREVIEW_IMAGE, _preview(data), sid)
        elif event == BinaryEventTypes.PREVIEW_IMAGE_WITH_METADATA and not isinstance(data, bytes):
            preview, metadata = data
            words = {**metadata, "image_type": f"image/{str(preview[0]).lower()}"}
            head = json.dumps(plain(words)).encode()
            picture = _preview(preview)[4:]
            self.publish(int(event), struct.pack(">I", len(head)) + head + picture, sid)
        else:
            self.publish(int(event), bytes(data), sid)

    async def send(self, event: str | int, data: Any, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_json(self, event: str, data: Any, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_bytes(self, event: int, data: bytes, sid: str | None = None) -> None:
        self.send_sync(event, data, sid)

    async def send_image(self, image_data: Any, sid: str | None = None) -> None:
        self.send_sync(BinaryEventTypes.UNENCODED_PREVIEW_IMAGE, image_data, sid)

    def send_progress_text(self, text: str | bytes, node_id: str, sid: str | None = None) -> None:
        words = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        job = getattr(self, "last_prompt_id", "")
        self.publish(BinaryEventTypes.TEXT, {"job": job, "node": str(node_id), "text": words}, sid)

    def get_queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}

    def queue_updated(self) -> None:
        self.send_sync("status", {"status": self.get_queue_info()})

    # --- prompts --------------------------------------------------------------------------------------------------

    def add_on_prompt_handler(self, handler: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, json_data: dict[str, Any]) -> dict[str, Any]:
        for handler in self.on_prompt_handlers:
            try:
                json_data = handler(json_data)
            except Exception:
                log.warning("A prompt handler failed.", exc_info=True)
        return json_data


def running_loop() -> asyncio.AbstractEventLoop:
    """An event loop that runs in a thread of its own as long as the process does."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="weft-packs", daemon=True).start()
    return loop


def _preview(data: Any) -> bytes:
    """A picture (format, PIL image, longest side or None) as a frame has it: its kind, then its bytes."""
    form, image, longest = data
    if longest is not None:
        image = image.copy()
        image.thumbnail((longest, longest))
    kind = "PNG" if str(form).upper() == "PNG" else "JPEG"
    packed = io.BytesIO()
    options: Mapping[str, Any] = {"quality": 95} if kind == "JPEG" else {"compress_level": 1}
    (image.convert("RGB") if kind == "JPEG" else image).save(packed, kind, **options)
    return struct.pack(">I", KINDS[kind]) + packed.getvalue()
