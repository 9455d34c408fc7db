"""Values that nodes made, by token; results remembered by content key.

What the running job made or recalled is pinned until the job ends. After that, results without a key go at once, and
of the others a policy chooses those that stay (see `keeping`).
"""

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nodes.spec import Json, NodeError
from server.graph.host import Remembered
from server.graph.outcome import Token
from server.memory import memory
from server.worker.keeping import RELIEF, Held, Keeping, Policy, longest_past, not_in, over_budget
from server.worker.sizes import size

Ui = Mapping[str, Sequence[Json]]
LOOKS_APART = 0.1  # seconds between looks at the machine's memory


@dataclass(slots=True)
class _Result:
    slots: tuple[list[object], ...]
    ui: Ui | None
    key: str | None
    size: int
    seconds: float
    used: int  # number of the job that last used it

    def tokens(self, id: str) -> tuple[Token, ...]:
        return tuple(Token(id, slot) for slot in range(len(self.slots)))


def free_memory() -> int:
    """Bytes of the machine's memory that are free; where the system does not say, more than anyone needs."""
    return memory()[1] or 1 << 62


class Outputs:
    """A worker's values.

    Args:
        keeping: what is kept between jobs.
        epoch: tells this worker's tokens from those of the one before it.
        free: bytes of the machine's memory that are free now.
    """

    def __init__(self, keeping: Keeping, epoch: str, free: Callable[[], int] = free_memory) -> None:
        self._keeping = keeping
        self._free = free
        self._names = (f"{epoch}-{number}" for number in itertools.count())
        self._results: OrderedDict[str, _Result] = OrderedDict()  # least recently used first
        self._by_key: dict[str, str] = {}
        self._pinned: set[str] = set()
        self._held = 0
        self._job = 0
        self._first_recall = True
        self._looked = 0.0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """A job starts."""
        with self._lock:
            self._job += 1
            self._first_recall = True

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
        result = _Result(tuple(slots), ui, key, size(slots), seconds, self._job)
        with self._lock:
            id = next(self._names)
            self._results[id] = result
            self._pinned.add(id)
            self._held += result.size
            if key is not None:
                older = self._by_key.get(key)
                self._by_key[key] = id
                if older is not None and older not in self._pinned:
                    self._forget(older)
            if self._keeping.policy is Policy.RAM:
                self._relieve(self._keeping.headroom or 0)
        return result.tokens(id)

    def get(self, token: Token) -> list[object]:
        """The values behind a token.

        Raises:
            NodeError: they are gone.
        """
        with self._lock:
            result = self._results.get(token.result)
        if result is None or not 0 <= token.slot < len(result.slots):
            raise NodeError("A value that this node needs is no longer there.", "Run the workflow again.")
        return result.slots[token.slot]

    def recall(self, keys: Collection[str]) -> dict[str, Remembered]:
        """Which results of these keys are known; they are pinned until `end`.

        A job's first question names all results that it could use, so then the classic policy drops the others.
        """
        found: dict[str, Remembered] = {}
        with self._lock:
            if self._keeping.policy is Policy.CLASSIC and self._first_recall:
                self._forget_all(not_in(self._unpinned(), keys))
            self._first_recall = False
            for key in keys:
                id = self._by_key.get(key)
                if id is not None:
                    result = self._results[id]
                    result.used = self._job
                    self._results.move_to_end(id)
                    self._pinned.add(id)
                    found[key] = Remembered(result.tokens(id), result.ui)
        return found

    def end(self, keys: Collection[str] = ()) -> None:
        """The job, of whose nodes these are the keys, is over: unpin, drop what nobody can recall, keep to the policy."""
        with self._lock:
            pinned, self._pinned = self._pinned, set()
            self._forget_all(id for id in pinned if self._by_key.get(self._results[id].key or "") != id)
            match self._keeping.policy:
                case Policy.VALUE:
                    excess = self._held - (self._keeping.budget or 0)
                    if excess > 0:
                        self._forget_all(over_budget(self._unpinned(), self._job, excess))
                case Policy.CLASSIC:
                    self._forget_all(not_in(self._unpinned(), frozenset(keys)))
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

    def _unpinned(self) -> list[Held]:
        """What may go, least recently used first."""
        return [
            Held(id, result.key or "", result.size, result.seconds, result.used)
            for id, result in self._results.items()
            if id not in self._pinned
        ]

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
        if result.key is not None and self._by_key.get(result.key) == id:
            del self._by_key[result.key]
