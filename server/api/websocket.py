"""The websocket: who listens, what each is told, and what waits to be sent. A slow client delays nobody.

One task turns events into messages and lays them into the outbox of each client; one task per client sends. When many
wait, newer progress and previews take the place of older ones.
"""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from nodes.spec import Json
from server.api import wire
from server.api.messages import (
    Board,
    Line,
    Outgoing,
    Picture,
    Words,
    executing,
    hello,
    messages,
    own,
    preview_frame,
    preview_metadata,
    status,
    text_frame,
)
from server.events import Bus, Envelope, JobEnded, JobStarted, NodeStarted

log = logging.getLogger(__name__)
MAX_WAITING = 4096
MANY_WAITING = 64
HEARTBEAT = 20.0  # seconds


@dataclass(slots=True)
class _Slot:
    message: Outgoing


class Outbox:
    """Messages that wait for one client, oldest first. Overfull, it is `broken`: the client must connect anew."""

    def __init__(self, limit: int = MAX_WAITING) -> None:
        self._slots: deque[_Slot] = deque()
        self._by_key: dict[str, _Slot] = {}
        self._filled = asyncio.Event()
        self._limit = limit
        self.broken = False

    def put(self, message: Outgoing) -> None:
        """Let a message wait."""
        key = None if isinstance(message, Line) else message.key
        if key is not None and key in self._by_key and len(self._slots) > MANY_WAITING:
            self._by_key[key].message = message
            return
        if len(self._slots) >= self._limit:
            self.broken = True
        else:
            slot = _Slot(message)
            self._slots.append(slot)
            if key is not None:
                self._by_key[key] = slot
        self._filled.set()

    async def get(self) -> Outgoing:
        """The oldest message; waits for one."""
        while not self._slots:
            self._filled.clear()
            await self._filled.wait()
        slot = self._slots.popleft()
        key = None if isinstance(slot.message, Line) else slot.message.key
        if key is not None and self._by_key.get(key) is slot:
            del self._by_key[key]
        return slot.message


@dataclass(slots=True, eq=False)
class Client:
    """One connection. `features`: what its first message said it understands; `seen`: number of the last event."""

    sid: str
    socket: web.WebSocketResponse
    wants_own: bool = False
    seen: int = 0
    features: dict[str, Json] = field(default_factory=dict[str, Json])
    outbox: Outbox = field(default_factory=Outbox)

    def understands(self, feature: str) -> bool:
        """Whether the client declared a feature."""
        return self.features.get(feature) is True


class Hub:
    """All connections, by client id.

    Args:
        bus: brings the events.
        remaining: counts waiting and running jobs.
        features: what this server understands, as `/features` says.
    """

    def __init__(self, bus: Bus, remaining: Callable[[], int], features: dict[str, Json]) -> None:
        self._bus = bus
        self._remaining = remaining
        self._features = features
        self._clients: dict[str, Client] = {}
        self._open: set[Client] = set()  # the replaced ones too
        self._board = Board()
        self._id = uuid.uuid4().hex
        self._owner: str | None = None  # client of the running job
        self._current: NodeStarted | None = None

    async def serve(self) -> None:
        """Hand events on, until cancelled."""
        with self._bus.subscribe() as subscription:
            async for envelope in subscription:
                try:
                    self._hand_on(envelope)
                except (TypeError, ValueError, KeyError):
                    log.exception("An event could not be told: %s", type(envelope.event).__name__)

    async def connect(
        self, socket: web.WebSocketResponse, sid: str, after: int | None, *, wants_own: bool
    ) -> None:
        """Serve one connection until it ends. With `after`, first tells again what happened after that event."""
        client = Client(sid, socket, wants_own, self._bus.number)
        # The old connection of the same client stays open but silent: closing it would make two tabs that share an
        # id throw each other out for ever.
        self._clients[sid] = client
        self._open.add(client)
        self._greet(client, after)
        sender = asyncio.create_task(self._send(client))
        try:
            await self._receive(client)
        finally:
            sender.cancel()
            self._open.discard(client)
            if self._clients.get(sid) is client:
                del self._clients[sid]

    async def close(self) -> None:
        """End all connections: the server goes."""
        closing = (client.socket.close(code=1001, message=b"Weft is closing.") for client in self._open)
        await asyncio.gather(*closing)

    def _greet(self, client: Client, after: int | None) -> None:
        client.outbox.put(status(self._remaining(), client.sid))
        if client.wants_own:
            client.outbox.put(hello(self._id, client.seen))
        if after is not None:
            # A number from before a restart is above ours: all that we know is news then.
            self._replay(client, after if after <= client.seen else 0)
        elif self._current is not None and self._owner == client.sid:
            client.outbox.put(executing(self._current.job, self._current.place))
            if client.wants_own:
                client.outbox.put(self._board.message())

    def _replay(self, client: Client, after: int) -> None:
        board = Board()
        for envelope in self._bus.replay(after):
            if envelope.number <= client.seen:
                self._tell(client, envelope, list(messages(envelope.event, board)))

    def _hand_on(self, envelope: Envelope) -> None:
        event = envelope.event
        if isinstance(event, JobStarted):
            self._owner, self._current = envelope.client, None
        elif isinstance(event, NodeStarted):
            self._current = event
        elif isinstance(event, JobEnded):
            self._owner, self._current = None, None
        found = list(messages(event, self._board))
        for client in self._clients.values():
            if envelope.number > client.seen:
                client.seen = envelope.number
                self._tell(client, envelope, found)

    def _tell(self, client: Client, envelope: Envelope, found: Sequence[Outgoing]) -> None:
        addressed = envelope.client == client.sid
        for message in found:
            broadcast = isinstance(message, Words) and (
                message.everyone or (message.type == "progress_state" and envelope.client is None)
            )
            if addressed or broadcast:
                client.outbox.put(message)
        extra = own(envelope.event, envelope.number) if client.wants_own else None
        if extra is not None and (addressed or extra.everyone):
            client.outbox.put(extra)

    async def _send(self, client: Client) -> None:
        while not client.outbox.broken:
            message = await client.outbox.get()
            try:
                if isinstance(message, Words):
                    await client.socket.send_str(wire.dumps({"type": message.type, "data": message.data}))
                else:
                    await client.socket.send_bytes(_frame(client, message))
            except (ConnectionError, RuntimeError):
                return  # it went away; the receiving side ends the connection
            except (TypeError, ValueError):
                # A node can put anything into what it shows; one message is lost, not the connection.
                log.exception("A message could not be written.")
        await client.socket.close(code=1013, message=b"Too slow: connect again.")

    async def _receive(self, client: Client) -> None:
        first = True
        async for message in client.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if first:
                self._agree(client, message.data)
            first = False

    def _agree(self, client: Client, text: str) -> None:
        """The first message may say what the client understands; then it is told what we do."""
        try:
            said = wire.read_object(wire.loads(text.encode(errors="replace")))
        except wire.BadRequest:
            return
        data = said.get("data")
        if said.get("type") == "feature_flags" and isinstance(data, dict):
            client.features = dict(data)
            client.outbox.put(Words("feature_flags", self._features))


def _frame(client: Client, message: Picture | Line) -> bytes:
    if isinstance(message, Line):
        return text_frame(message, names_job=client.understands("supports_progress_text_metadata"))
    known = client.understands("supports_preview_metadata")
    return preview_frame(message, wire.dumps(preview_metadata(message)).encode() if known else None)
