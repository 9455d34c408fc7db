"""What waits to be sent to one client. Bounded in memory, without anybody waiting for the client.

States are never dropped. Progress, boards and pictures are: a newer one makes the older worthless. It goes to the end of
the line, not to the older one's place, so nobody hears of a thing before what led to it.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from server.api.messages import Frame, Line, Outgoing, Picture, Words

STATES = 8 << 20  # bytes of what may not be dropped: with more, the client must come back
PICTURES = 2 << 20  # bytes of pictures
MANY = 64  # messages; while fewer wait, all progress is sent


@dataclass(slots=True)
class _Slot:
    message: Outgoing | None
    key: str | None
    size: int


@dataclass(slots=True)
class Outbox:
    """Messages that wait for one client, oldest first.

    Attributes:
        overfull: more waits than is bearable: the client must be cut off, to come back with its number.
    """

    limit: int = STATES
    overfull: bool = False
    _slots: deque[_Slot] = field(default_factory=deque[_Slot])
    _by_key: dict[str, _Slot] = field(default_factory=dict[str, _Slot])
    _pictures: dict[str, _Slot] = field(default_factory=dict[str, _Slot])  # the oldest first
    _states: int = 0  # bytes
    _pixels: int = 0  # bytes
    _dead: int = 0  # slots whose message is worthless
    _filled: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, message: Outgoing, *, again: bool = False) -> None:
        """Let a message wait.

        Args:
            again: it is told to a client that came back, whose queue may be as long as what it missed.

        Raises:
            TypeError, ValueError, RecursionError: it cannot be written as JSON.
        """
        if self.overfull:
            return
        slot = _Slot(message, _key(message), 0 if again else _size(message))
        if slot.key is not None:
            self._replace(slot.key, slot, always=isinstance(message, Picture) or _is_board(message))
        if isinstance(message, Picture | Frame):
            self._pixels += slot.size
            self._pictures[message.key] = slot
            self._trim()
        elif slot.key is None:
            self._states += slot.size
        self._slots.append(slot)
        self._filled.set()
        if self._states > self.limit:
            self.overfull = True
            self._slots.clear()
            self._by_key.clear()
            self._pictures.clear()

    def take(self) -> Outgoing | None:
        """The oldest message; None if nothing waits."""
        while self._slots:
            slot = self._slots.popleft()
            message = slot.message
            if message is not None:
                self._forget(slot)
                return message
            self._dead -= 1
        return None

    async def filled(self) -> None:
        """Wait until something waits."""
        self._filled.clear()
        if not self._slots:
            await self._filled.wait()

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._slots) - self._dead

    def _replace(self, key: str, slot: _Slot, *, always: bool) -> None:
        older = self._by_key.get(key)
        if older is not None and (always or len(self._slots) > MANY):
            self._drop(older)
        self._by_key[key] = slot

    def _forget(self, slot: _Slot) -> None:
        """It waits no more: it is sent, or worthless."""
        if isinstance(slot.message, Picture | Frame):
            self._pixels -= slot.size
            self._pictures.pop(slot.message.key, None)
        elif slot.key is None:
            self._states -= slot.size
        if slot.key is not None and self._by_key.get(slot.key) is slot:
            del self._by_key[slot.key]
        slot.message = None

    def _drop(self, slot: _Slot) -> None:
        """It is worthless, somewhere in the line."""
        self._forget(slot)
        self._dead += 1
        if self._dead > MANY and 2 * self._dead > len(self._slots):
            self._slots = deque(each for each in self._slots if each.message is not None)
            self._dead = 0

    def _trim(self) -> None:
        while self._pixels > PICTURES and len(self._pictures) > 1:
            self._drop(next(iter(self._pictures.values())))


def _key(message: Outgoing) -> str | None:
    return None if isinstance(message, Line) else message.key


def _is_board(message: Outgoing) -> bool:
    return isinstance(message, Words) and message.type == "progress_state"


def _size(message: Outgoing) -> int:
    if isinstance(message, Picture):
        return len(message.preview.data)
    if isinstance(message, Frame):
        return len(message.data)
    return len(message.text)
