"""The websocket: who listens, what each is told. A slow client delays nobody.

One task turns events into messages and lays them into the outbox of each client; one task per client sends.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from aiohttp import WSMsgType, web

from nodes.spec import Json
from server.api import wire
from server.api.board import Board, Pace
from server.api.listeners import UNWRITABLE, Client, Patience, Running
from server.api.messages import (
    Frame,
    Line,
    Outgoing,
    Picture,
    Words,
    messages,
    preview_frame,
    preview_metadata,
    status,
    text_frame,
)
from server.api.numbered import hello, numbered
from server.events import (
    Bus,
    Envelope,
    Event,
    JobFailed,
    JobStopped,
    JobSucceeded,
    NodeDone,
    Place,
    QueueChanged,
)
from server.jobs.owners import Person, told_to
from server.worker.messages import PackEvent

log = logging.getLogger(__name__)
FLAG = "weft_events"  # the feature by which a client asks for numbered messages
ANYBODY, USUAL = Person(), Patience()


class Hub:
    """All connections, by client id.

    Args:
        bus: brings the events.
        remaining: counts waiting and running jobs.
        features: what this server understands, as `/features` says.
        patience: with slow clients.
    """

    def __init__(
        self,
        bus: Bus,
        remaining: Callable[[], int],
        features: dict[str, Json],
        patience: Patience = USUAL,
    ) -> None:
        self._bus = bus
        self._remaining = remaining
        self._features = features
        self._patience = patience
        self._clients: dict[str, Client] = {}
        self._open: set[Client] = set()  # the replaced ones too
        self._handled = 0  # number of the last event that was handed on
        self._running = Running()
        self._board = Board()
        self._pace = Pace()
        self._board_changed = False
        self._timer: asyncio.TimerHandle | None = None
        self._frames = 0  # that packs have sent

    async def serve(self) -> None:
        """Hand events on, until cancelled."""
        with self._bus.subscribe() as subscription:
            async for envelope in subscription:
                try:
                    self._hand_on(envelope)
                except UNWRITABLE:
                    log.exception("An event could not be told: %s", type(envelope.event).__name__)

    async def connect(
        self,
        socket: web.WebSocketResponse,
        name: str,
        transport: asyncio.Transport | None,
        person: Person = ANYBODY,
    ) -> None:
        """Serve one connection until it ends. `name` is what the client calls itself."""
        sid = person.address(name)
        client = Client(sid, name, person, socket, transport)
        # The old connection of the same client stays open but silent: closing it would make two tabs that share an
        # id throw each other out for ever.
        self._clients[sid] = client
        self._open.add(client)
        client.tell([status(self._remaining(), name)])
        if self._running.owner == sid and self._running.current is not None:
            client.tell([self._running.current])
        sender = asyncio.create_task(self._send(client))
        try:
            await self._receive(client)
        finally:
            sender.cancel()
            self._open.discard(client)
            if self._clients.get(sid) is client:
                del self._clients[sid]

    @property
    def listened(self) -> bool:
        """Whether anybody is connected."""
        return bool(self._clients)

    def send(self, clients: Collection[str], type: str, data: Mapping[str, Json]) -> None:
        """Tell some clients, by address, what is no event of a run; who is not connected misses it."""
        for client in filter(None, map(self._clients.get, clients)):
            client.tell([Words(type, data)])

    def tell_all(self, type: str, data: Mapping[str, Json]) -> None:
        """Tell all who are connected what is no event of a run."""
        self.send(tuple(self._clients), type, data)

    def pass_on(self, event: PackEvent) -> None:
        """Tell one client, or all, what a pack says: of several people, those who may see the job that runs."""
        self._frames += 1
        message = _from_pack(event, self._frames)
        at_work, owner = self._running.job is not None, self._running.owner
        for client in tuple(self._clients.values()):
            named = event.client is None or client.name == event.client
            if message and named and (not at_work or client.person.owns(told_to(owner))):
                client.tell([message])

    def understands(self, sid: str, feature: str) -> bool:
        """Whether a client is connected now and declared a feature."""
        client = self._clients.get(sid)
        return client is not None and client.understands(feature)

    async def close(self) -> None:
        """End all connections: the server goes."""
        closing = [
            asyncio.create_task(client.socket.close(code=1001, message=b"Weft is closing."))
            for client in self._open
        ]
        if closing:
            await asyncio.wait(closing, timeout=self._patience.leaving)
        for client in tuple(self._open):
            client.cut_off()

    # --- events to messages -----------------------------------------------------------------------------------------

    def _hand_on(self, envelope: Envelope) -> None:
        event = envelope.event
        self._handled = envelope.number
        self._running.take(envelope)
        changed = self._board.take(event)
        self._board_changed = self._board_changed or changed
        if isinstance(event, JobSucceeded | JobFailed | JobStopped):
            self._tell_board()
        elif changed and not isinstance(event, NodeDone):
            self._tell_board_in_time()
        plain, own = None, None
        for client in self._concerned(envelope):
            if client.numbered and isinstance(event, QueueChanged) and not client.person.sees_all:
                client.tell(numbered(client.as_told(envelope)))
            elif client.numbered:
                own = own or numbered(envelope)
                client.tell(own)
            else:
                plain = plain or messages(event)
                client.tell(plain)
        if changed and isinstance(event, NodeDone):
            self._tell_board_in_time()

    def _concerned(self, envelope: Envelope) -> Sequence[Client]:
        if _for_all(envelope.event):
            return [client for client in self._clients.values() if client.may_hear(envelope)]
        client = self._clients.get(envelope.client) if envelope.client is not None else None
        return () if client is None else (client,)

    def _tell_board_in_time(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._pace.due:
            self._tell_board()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._pace.due, self._tell_board)

    def _tell_board(self) -> None:
        """Tell it to clients that know no better: of a job that nobody owns, to all."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._board_changed:
            return
        self._board_changed = False
        owner = self._running.owner
        clients = self._clients.values() if owner is None else filter(None, [self._clients.get(owner)])
        listening = [
            client for client in clients if not client.numbered and client.person.owns(told_to(owner))
        ]
        if listening:
            message = self._board.message()
            for client in listening:
                client.tell([message])
            self._pace.told(asyncio.get_running_loop().time(), len(message.text))

    # --- one client -------------------------------------------------------------------------------------------------

    async def _send(self, client: Client) -> None:
        while not client.outbox.overfull:
            message = client.outbox.take()
            try:
                if message is None:
                    await self._wait(client)
                    continue
                async with asyncio.timeout(self._patience.stalled):
                    if isinstance(message, Words):
                        await client.socket.send_str(message.text)
                    else:
                        await client.socket.send_bytes(_frame(client, message))
            except TimeoutError:
                break
            except (ConnectionError, RuntimeError):
                return  # it went away; the receiving side ends the connection
        client.cut_off()

    async def _wait(self, client: Client) -> None:
        """Until something waits to be sent, with a ping now and then."""
        try:
            async with asyncio.timeout(self._patience.quiet):
                await client.outbox.filled()
        except TimeoutError:
            async with asyncio.timeout(self._patience.stalled):
                await client.socket.ping()

    async def _receive(self, client: Client) -> None:
        first = True
        with contextlib.suppress(ConnectionError):
            async for message in client.socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                if first:
                    self._agree(client, message.data)
                first = False

    def _agree(self, client: Client, text: str) -> None:
        """The first message may say what the client understands; then it is told what we do."""
        try:
            told = wire.read_object(wire.loads(text.encode(errors="replace")))
        except wire.BadRequest:
            return
        data = told.get("data")
        if told.get("type") == "feature_flags" and isinstance(data, dict):
            client.features = dict(data)
            client.tell([Words("feature_flags", self._features)])
            if client.features.get(FLAG):
                client.numbered = True
                self._resume(client, client.features[FLAG])

    def _resume(self, client: Client, asked: Json) -> None:
        """Tell again what a client missed; or, if that is not known, how the running job stands."""
        stood = wire.read_position(asked)
        missed, reason = None, ""
        if stood is not None and stood.server != self._bus.life:
            reason = "restarted"
        elif stood is not None:
            missed = self._bus.replay(stood.seq)
            reason = "too_old" if missed is None else ""
        number = self._handled if missed is None or stood is None else stood.seq
        client.tell([hello(self._bus.life, number, resumed=missed is not None, reason=reason)])
        for envelope in missed or ():
            event = envelope.event
            addressed = envelope.client == client.sid or (_for_all(event) and client.may_hear(envelope))
            if addressed and envelope.number <= self._handled:
                client.tell(numbered(client.as_told(envelope)), again=True)
        if self._running.owner != client.sid:
            return
        if missed is None:
            client.tell(self._running.opening, again=True)
            client.tell(list(self._running.shown.values()), again=True)
            client.tell([self._board.message()], again=True)
        for progress in self._board.progress():
            client.tell(numbered(Envelope(0, progress)))


def _for_all(event: Event) -> bool:
    """Whether all clients are told, whoever queued the job, as far as they may know of it."""
    return isinstance(event, QueueChanged | JobStopped)


def _from_pack(event: PackEvent, number: int) -> Outgoing | None:
    """What a pack says as a message; None if it is none. A dict under a number is a line of text on a node."""
    data = event.data
    if isinstance(event.event, str):
        return None if isinstance(data, bytes) else Words(event.event, cast("Mapping[str, Json]", data))
    if isinstance(data, bytes):
        return Frame(event.event, data, number)
    if isinstance(data, Mapping):
        job, node, text = (str(data.get(name, "")) for name in ("job", "node", "text"))
        return Line(job, Place(node, node, node), text)
    return None


def _frame(client: Client, message: Picture | Line | Frame) -> bytes:
    if isinstance(message, Frame):
        return message.whole
    if isinstance(message, Line):
        return text_frame(message, names_job=client.understands("supports_progress_text_metadata"))
    known = client.understands("supports_preview_metadata")
    return preview_frame(message, wire.dumps(preview_metadata(message)).encode() if known else None)
