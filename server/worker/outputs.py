"""Values that nodes made, by token; results remembered by content key, in memory and on disk.

What the running job made or recalled is pinned until the job ends, or needs it no more. After that, results without
a key go at once, and of the others a policy chooses those that stay in memory (see `keeping`). What is on disk (see
`disk`) comes back when somebody asks for its values.
"""

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from nodes.spec import Json, NodeError, Stopped
from server.graph.host import Remembered
from server.graph.outcome import Token
from server.memory import memory
from server.worker.disk import Disk, Found
from server.worker.entry import About
from server.worker.keeping import RELIEF, Held, Keeping, Policy, longest_past, not_in, over_budget
from server.worker.sizes import size

Ui = Mapping[str, Sequence[Json]]
LOOKS_APART = 0.1  # seconds between looks at the machine's memory
MOST_OPEN = 200  # files of results that are held open until somebody asks for the values


@dataclass(slots=True)
class _Result:
    slots: tuple[list[object], ...] | None  # None: they are on disk alone
    count: int  # of slots
    ui: Ui | None
    key: str | None
    size: int
    seconds: float
    used: int  # number of the job that last used it
    stored: Found | None = None

    remembered: Remembered | None = None  # as it is told, once it was

    def tokens(self, id: str) -> tuple[Token, ...]:
        return tuple(Token(id, slot) for slot in range(self.count))

    def told(self, id: str) -> Remembered:
        """The same object each time."""
        if self.remembered is None:
            self.remembered = Remembered(self.tokens(id), self.ui)
        return self.remembered


def _nobody_looks(_ui: Ui) -> bool:
    """Takes every file to be there."""
    return True


def _as_ever(_value: object) -> bool:
    """Values last."""
    return True


def _nobody_stops() -> None:
    """There is nobody who could press Stop."""


def free_memory() -> int:
    """Bytes of the machine's memory that are free; where the system does not say, more than anyone needs."""
    return memory()[1] or 1 << 62


class Outputs:
    """A worker's values.

    Args:
        keeping: what is kept between jobs.
        epoch: tells this worker's tokens from those of the one before it.
        free: bytes of the machine's memory that are free now.
        disk: keeps results when they leave memory, or the worker ends; None: nothing does.
        stands: whether the files that the canvas was told of are still there.
        usable: whether a value can still be used.
    """

    def __init__(
        self,
        keeping: Keeping,
        epoch: str,
        free: Callable[[], int] = free_memory,
        disk: Disk | None = None,
        stands: Callable[[Ui], bool] = _nobody_looks,
        usable: Callable[[object], bool] = _as_ever,
    ) -> None:
        self._disk = disk
        self._stands = stands
        self._usable = usable
        self._keeping = keeping
        self._free = free
        self._names = (f"{epoch}-{number}" for number in itertools.count())
        self._results: OrderedDict[str, _Result] = OrderedDict()  # least recently used first
        self._by_key: dict[str, str] = {}
        self._pinned: set[str] = set()
        self._of_job: set[str] = set()  # keys that the running job asked for or made
        self._held = 0
        self._job = 0
        self._first_recall = True
        self._looked = 0.0
        self._open = 0  # files of results that are on disk alone
        self._lock = threading.Lock()
        self._loading = threading.Lock()  # taken before the other

    def begin(self) -> None:
        """A job starts."""
        with self._lock:
            self._job += 1
            self._first_recall = True
            self._of_job = set()

    def put(
        self,
        slots: Sequence[list[object]],
        key: str | None = None,
        ui: Ui | None = None,
        seconds: float = 0.0,
    ) -> tuple[Token, ...]:
        """Keep a result: for each slot the list of its values. It is pinned until `end`.

        Args:
            seconds: what it took to make.
        """
        result = _Result(tuple(slots), len(slots), ui, key, size(slots), seconds, self._job)
        with self._lock:
            id = self._take_in(result)
            if self._keeping.policy is Policy.RAM:
                self._relieve(self._keeping.headroom or 0)
        return result.tokens(id)

    def twin(self, key: str | None) -> Remembered | None:
        """The result that another node of this job has meanwhile under this key, as one more, with a life of its own.

        None where there is none in memory, where it shows files that are gone, or where nothing is to be kept.
        """
        with self._lock:
            made = self._results.get(self._by_key.get(key or "", ""))
            if made is None or made.slots is None or made.used != self._job:
                return None
            if self._keeping.policy is Policy.NONE or not (made.ui is None or self._stands(made.ui)):
                return None
            result = _Result(made.slots, made.count, made.ui, key, made.size, made.seconds, self._job)
            return result.told(self._take_in(result))

    def store(self, key: str, type: str, *, always: bool = False) -> "Future[bool] | None":
        """Keep a result on disk too, in the background, if it is worth it.

        Args:
            key: under which it was `put`.
            type: class of the node that made it.
            always: whatever it cost.

        Returns:
            What to wait for before the next node starts, see `Disk.keep`.
        """
        with self._lock:
            result = self._results.get(self._by_key.get(key, ""))
        if self._disk is None or result is None or result.slots is None:
            return None
        about = About(key, type, result.seconds, result.ui, result.count)
        return self._disk.keep(about, list(result.slots), result.size, always=always)

    def settle(self, seconds: float) -> None:
        """Wait until what goes to disk is there, or for so many seconds."""
        if self._disk is not None:
            self._disk.settle(seconds)

    def damaged(self, key: str | None) -> bool:
        """Whether this result was found damaged on disk; said once."""
        if self._disk is None or key not in self._disk.damaged:
            return False
        self._disk.damaged.discard(key)
        return True

    def get(self, token: Token) -> list[object]:
        """The values behind a token.

        Raises:
            NodeError: they are gone.
        """
        with self._lock:
            result = self._results.get(token.result)
        if result is not None and result.stored is not None:
            self._load(token.result, result)
        if result is None or result.slots is None or not 0 <= token.slot < len(result.slots):
            raise NodeError("A value that this node needs is no longer there.", "Run the workflow again.")
        return result.slots[token.slot]

    def recall(
        self, keys: Collection[str], go_on: Callable[[], None] = _nobody_stops
    ) -> dict[str, Remembered]:
        """Which results of these keys are known, in memory or on disk; they are pinned until `end`.

        A job's first question names all results that it could use, so then the classic policy drops the others.

        Args:
            go_on: called again and again while files are read; where it raises `Stopped`, what was found by then is all.
        """
        with self._lock:
            self._of_job.update(keys)
            if self._keeping.policy is Policy.CLASSIC and self._first_recall:
                self._forget_all(not_in(self._unpinned(), frozenset(keys)))
            self._first_recall = False
            known = {key: id for key in keys if (id := self._pin(key)) is not None}
        if self._disk is not None:
            with suppress(Stopped):
                for key in self._disk.among(key for key in keys if key not in known):
                    id = self._look(self._disk, key, go_on)
                    if id is not None:
                        known[key] = id
        return {key: self._results[id].told(id) for key, id in known.items()}

    @property
    def spares(self) -> bool:
        """Whether the policy drops results while the job runs that made them."""
        return self._keeping.policy in (Policy.NONE, Policy.RAM)

    def release(self, ids: Collection[str]) -> None:
        """The job needs these results no more: they are unpinned, and what the policy would not keep is dropped."""
        with self._lock:
            for id in self._pinned.intersection(ids):
                self._pinned.discard(id)
                if self._keeping.policy is Policy.NONE or self._useless(id):
                    self._forget(id)

    def end(self) -> None:
        """The job is over: unpin, drop what nobody can recall, keep to the policy."""
        with self._lock:
            pinned, self._pinned = self._pinned, set()
            for id in pinned:
                if self._useless(id):
                    self._forget(id)
            match self._keeping.policy:
                case Policy.VALUE:
                    excess = self._held - (self._keeping.budget or 0)
                    if excess > 0:
                        self._forget_all(over_budget(self._unpinned(), self._job, excess))
                case Policy.CLASSIC:
                    self._forget_all(not_in(self._unpinned(), self._of_job))
                case Policy.LRU:
                    if len(self._results) > self._keeping.most:
                        self._forget_all(longest_past(self._unpinned(), self._keeping.most))
                case Policy.NONE:
                    self._forget_all(list(self._results))
                case Policy.RAM:
                    self._looked = 0.0
                    self._relieve(self._keeping.idle_headroom or 0)

    def clear(self) -> None:
        """Forget everything that the running job does not need."""
        with self._lock:
            self._forget_all(one.id for one in self._unpinned())

    @property
    def held(self) -> int:
        """Bytes held now."""
        with self._lock:
            return self._held

    def _take_in(self, result: _Result) -> str:
        """Hold a result, pinned, in place of the one that had its key."""
        id = next(self._names)
        self._results[id] = result
        self._pinned.add(id)
        self._held += result.size
        if result.key is not None:
            self._of_job.add(result.key)
            older = self._by_key.get(result.key)
            self._by_key[result.key] = id
            if older is not None and older not in self._pinned:
                self._forget(older)
        return id

    def _useless(self, id: str) -> bool:
        """Whether nobody can recall a result, or it is on disk alone."""
        result = self._results[id]
        return self._by_key.get(result.key or "") != id or result.slots is None

    def _pin(self, key: str) -> str | None:
        """The result in memory, if what it shows still stands, and what it is."""
        id = self._by_key.get(key)
        if id is None:
            return None
        result = self._results[id]
        if result.ui is not None and not self._stands(result.ui):
            return None
        if not all(self._usable(value) for slot in result.slots or () for value in slot):
            return None
        result.used = self._job
        self._results.move_to_end(id)
        self._pinned.add(id)
        return id

    def _look(self, disk: Disk, key: str, go_on: Callable[[], None]) -> str | None:
        """The result on disk, if what it shows still stands; its values come when they are asked for."""
        found = disk.look(key, go_on)
        if found is None:
            return None
        about = found.about
        if about.ui is not None and not self._stands(about.ui):
            found.file.close()
            return None
        result = _Result(None, about.slots, about.ui, key, 0, about.seconds, self._job, found)
        with self._lock:
            id = next(self._names)
            self._results[id] = result
            self._pinned.add(id)
            self._by_key[key] = id
            self._open += 1
        if self._open > MOST_OPEN:
            self._load(id, result)
        return id

    def _load(self, id: str, result: _Result) -> None:
        """Bring values from disk into memory, unless another thread just did."""
        with self._loading:
            stored = result.stored
            slots = self._disk.load(stored) if self._disk is not None and stored is not None else None
            if slots is None or len(slots) != result.count:
                return
            with self._lock:
                if id in self._results:
                    result.slots, result.size = tuple(slots), size(slots)
                    self._held += result.size
                    self._close(result)

    def _unpinned(self) -> list[Held]:
        """What may go, least recently used first."""
        return [
            Held(id, result.key or "", result.size, self._cost(result), result.used)
            for id, result in self._results.items()
            if id not in self._pinned
        ]

    def _cost(self, result: _Result) -> float:
        """Seconds to get it back: from disk, if it is there."""
        if self._disk is None or result.key not in self._disk.present:
            return result.seconds
        return min(result.seconds, self._disk.speed.reading(result.size))

    def _relieve(self, headroom: int) -> None:
        """Drop the least valuable results while the machine's memory is short of the headroom."""
        if time.monotonic() - self._looked < LOOKS_APART:
            return
        self._looked = time.monotonic()
        free = self._free()
        if free < headroom:
            self._forget_all(over_budget(self._unpinned(), self._job, int(headroom * RELIEF) - free))

    def _forget_all(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._forget(id)

    def _forget(self, id: str) -> None:
        result = self._results.pop(id)
        self._held -= result.size
        self._close(result)
        if result.key is not None and self._by_key.get(result.key) == id:
            del self._by_key[result.key]

    def _close(self, result: _Result) -> None:
        if result.stored is not None:
            result.stored.file.close()
            result.stored = None
            self._open -= 1
