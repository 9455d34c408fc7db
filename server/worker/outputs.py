"""Values that nodes made, by token; results remembered by content key, within a budget of bytes.

What the running job made or recalled is pinned until the job ends. After that, results without a key go at once, and
of the others the least recently used go while the sum is over the budget.
"""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import cast

from nodes.spec import Json, NodeError
from server.graph.host import Remembered
from server.graph.outcome import Token

Ui = Mapping[str, Sequence[Json]]
SMALL = 64  # bytes that a value without contents of its own is taken to hold
DEEPEST = 8  # containers within containers that are still looked into


@dataclass(frozen=True, slots=True)
class _Result:
    slots: tuple[list[object], ...]
    ui: Ui | None
    key: str | None
    size: int

    def tokens(self, id: str) -> tuple[Token, ...]:
        return tuple(Token(id, slot) for slot in range(len(self.slots)))


class Outputs:
    """A worker's values.

    Args:
        budget: bytes that are kept between jobs.
        epoch: tells this worker's tokens from those of the one before it.
    """

    def __init__(self, budget: int, epoch: str) -> None:
        self._budget = budget
        self._names = (f"{epoch}-{number}" for number in itertools.count())
        self._results: OrderedDict[str, _Result] = OrderedDict()  # least recently used first
        self._by_key: dict[str, str] = {}
        self._pinned: set[str] = set()
        self._lock = threading.Lock()

    def put(
        self, slots: Sequence[list[object]], key: str | None = None, ui: Ui | None = None
    ) -> tuple[Token, ...]:
        """Keep a result: for each slot the list of its values. It is pinned until `end`."""
        result = _Result(tuple(slots), ui, key, size(slots))
        with self._lock:
            id = next(self._names)
            self._results[id] = result
            self._pinned.add(id)
            if key is not None:
                older = self._by_key.get(key)
                self._by_key[key] = id
                if older is not None and older not in self._pinned:
                    self._forget(older)
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
        """Which results of these keys are known; they are pinned until `end`."""
        found: dict[str, Remembered] = {}
        with self._lock:
            for key in keys:
                id = self._by_key.get(key)
                if id is not None:
                    result = self._results[id]
                    self._results.move_to_end(id)
                    self._pinned.add(id)
                    found[key] = Remembered(result.tokens(id), result.ui)
        return found

    def end(self) -> None:
        """The job is over: unpin, drop what nobody can recall, keep to the budget."""
        with self._lock:
            self._pinned.clear()
            for id in [
                id for id, result in self._results.items() if self._by_key.get(result.key or "") != id
            ]:
                self._forget(id)
            total = sum(result.size for result in self._results.values())
            while total > self._budget and self._results:
                id, oldest = next(iter(self._results.items()))
                total -= oldest.size
                self._forget(id)

    def clear(self) -> None:
        """Forget everything that the running job does not need."""
        with self._lock:
            for id in [id for id in self._results if id not in self._pinned]:
                self._forget(id)

    @property
    def held(self) -> int:
        """Bytes held now."""
        with self._lock:
            return sum(result.size for result in self._results.values())

    def _forget(self, id: str) -> None:
        result = self._results.pop(id)
        if result.key is not None and self._by_key.get(result.key) == id:
            del self._by_key[result.key]


def size(value: object) -> int:
    """About how many bytes a value holds: arrays and tensors by their elements, each counted once."""
    return _size(value, set(), DEEPEST)


def _size(value: object, seen: set[int], depth: int) -> int:
    if id(value) in seen or depth == 0:
        return 0
    seen.add(id(value))
    held = getattr(value, "nbytes", None)
    if isinstance(held, int):  # numpy arrays and torch tensors
        return held
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, Mapping):
        inner: Collection[object] = cast("Mapping[object, object]", value).values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = cast("Collection[object]", value)
    elif is_dataclass(value) and not isinstance(value, type):
        inner = [getattr(value, entry.name) for entry in fields(value)]
    else:
        return SMALL
    return SMALL + sum(_size(entry, seen, depth - 1) for entry in inner)
