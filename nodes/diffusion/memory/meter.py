"""Bytes of tensors, counted as they are made and as they go; with a limit, a processor is as narrow as a card."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast
from weakref import ref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nodes.diffusion.models.waiting import Waiting


class Meter(TorchDispatchMode):
    """Counts the storages of tensors that operations make while it is open, until they are freed.

    It sees tensors of the processor and those without memory ("meta") alike, so that a run over shapes alone is measured
    as a real one is. What kernels use inside themselves it does not see.

    Args:
        limit: bytes that may be alive at once; None: as many as there are.
    """

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.limit = limit
        self.now = 0
        self.peak = 0
        self._off = False
        self._alive: dict[int, object] = {}

    @contextmanager
    def aside(self) -> Generator[None]:
        """What is made meanwhile lies elsewhere, and does not count."""
        before, self._off = self._off, True
        try:
            yield
        finally:
            self._off = before

    def restart(self) -> None:
        """The peak begins anew."""
        self.peak = self.now

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Let an operation happen and count what it made.

        Raises:
            torch.OutOfMemoryError: more is alive than the limit says.
        """
        del types
        named = dict(kwargs or {})
        made = func(*args, **named)
        if not self._off:
            self._count(_tensors(made), (args, named))
        return made

    def _count(self, made: Iterable[Tensor], given: object) -> None:
        known: set[int] | None = None
        for tensor in made:
            storage = tensor.untyped_storage()
            place = _place(tensor)
            if place in self._alive:
                continue
            if known is None:  # a view of what was there before is nothing new
                known = {_place(one) for one in _tensors(given)}
            if place in known:
                continue
            size = storage.nbytes()
            if self.limit is not None and self.now + size > self.limit:
                raise torch.OutOfMemoryError(
                    f"Out of memory. Tried to allocate {size} bytes; {self.now} of {self.limit} are in use."
                )
            self.now += size
            self.peak = max(self.peak, self.now)
            self._alive[place] = ref(
                storage, cast("Callable[[object], None]", partial(self._gone, place, size))
            )

    def _gone(self, place: int, size: int, _storage: object) -> None:
        self._alive.pop(place, None)
        self.now -= size


def _place(tensor: Tensor) -> int:
    """Which storage it lies in."""
    return cast("Any", tensor.untyped_storage())._cdata  # noqa: SLF001 - torch tells no other way


def _tensors(value: object) -> list[Tensor]:
    leaves = cast("list[object]", tree_leaves(value))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, Waiting)]
