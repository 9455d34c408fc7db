"""What control networks add inside a network, whatever its kind: to skip connections, to levels, to rows of blocks."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor, nn


class Spread(Enum):
    """Which of a control network's parts a transformer's block gets, if it has more blocks than there are parts."""

    EVENLY = "as far along as the block is"  # Stable Diffusion 3
    RUNS = "each part to a run of blocks of one length"  # FLUX, Qwen-Image
    AGAIN = "from the first part on again"  # FLUX nets of XLabs


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """What one control network adds to the tokens of a row of blocks, each Float[batch token feature]."""

    parts: Sequence[Tensor]
    spread: Spread = Spread.RUNS

    def at(self, index: int, count: int) -> Tensor:
        """What a block gets, of so many."""
        length = len(self.parts)
        match self.spread:
            case Spread.EVENLY:
                return self.parts[min(index * length // count, length - 1)]
            case Spread.RUNS:
                return self.parts[index // -(-count // length)]
            case Spread.AGAIN:
                return self.parts[index % length]


@runtime_checkable
class Inside(Protocol):
    """What a control network adds step by step while the network works, and cannot say before."""

    def scaled(self, strength: float) -> "Inside":
        """Times a number."""
        ...

    def of_rows(self, rows: Tensor) -> "Inside":
        """For some items of the batch, Int[item]."""
        ...

    def put_on(self, module: nn.Module) -> AbstractContextManager[None]:
        """It works within the network until the context is left; for one call."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """What control networks add inside a network.

    Attributes:
        down, middle: to a U-Net's skip connections, in order, and to its middle block; none, or all of them.
        levels: to what each level of a U-Net's way down gives, the last one to its middle if it has the size of that.
        double, single: to a transformer's blocks of two streams, and of one: a row for each control network.
        inside: what is put on the network while it is asked.
    """

    down: Sequence[Tensor] = ()
    middle: Tensor | None = None
    levels: Sequence[Tensor] = ()
    double: tuple[Row, ...] = ()
    single: tuple[Row, ...] = ()
    inside: tuple[Inside, ...] = ()

    def __add__(self, other: "Residuals") -> "Residuals":
        middle = self.middle if other.middle is None else other.middle
        if self.middle is not None and other.middle is not None:
            middle = self.middle + other.middle
        return Residuals(
            _sums(self.down, other.down),
            middle,
            _sums(self.levels, other.levels),
            (*self.double, *other.double),
            (*self.single, *other.single),
            (*self.inside, *other.inside),
        )

    def scaled(self, strength: float) -> "Residuals":
        """Times a number."""
        return self._each(lambda part: part * strength, lambda part: part.scaled(strength))

    def of_rows(self, rows: Tensor) -> "Residuals":
        """Those of some items of the batch, Int[item]."""
        return self._each(lambda part: part[rows], lambda part: part.of_rows(rows))

    def to(self, like: Tensor) -> "Residuals":
        """On the device and in the type of another tensor."""
        return self._each(lambda part: part.to(like))

    @property
    def of_unet(self) -> bool:
        """Whether anything is for a U-Net; else all is for a transformer."""
        return self.middle is not None or bool(self.levels)

    def for_double(self, count: int, tokens: int = 0) -> list[Tensor] | None:
        """What each of so many blocks of two streams gets, with zeros up to so many tokens; None: nothing."""
        return _joined(self.double, count, tokens)

    def for_single(self, count: int, tokens: int = 0) -> list[Tensor] | None:
        """The same for blocks of one stream."""
        return _joined(self.single, count, tokens)

    @contextmanager
    def at_work(self, module: nn.Module) -> Generator[None]:
        """A network with what works inside it."""
        with ExitStack() as stack:
            for part in self.inside:
                stack.enter_context(part.put_on(module))
            yield

    def _each(
        self, change: Callable[[Tensor], Tensor], inside: Callable[[Inside], Inside] = lambda part: part
    ) -> "Residuals":
        return Residuals(
            [change(part) for part in self.down],
            None if self.middle is None else change(self.middle),
            [change(part) for part in self.levels],
            tuple(Row([change(part) for part in row.parts], row.spread) for row in self.double),
            tuple(Row([change(part) for part in row.parts], row.spread) for row in self.single),
            tuple(map(inside, self.inside)),
        )


def _sums(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Sequence[Tensor]:
    if not ours or not theirs:
        return ours or theirs
    return [one + other for one, other in zip(ours, theirs, strict=True)]


def _joined(rows: Sequence[Row], count: int, tokens: int) -> list[Tensor] | None:
    if not rows:
        return None
    made: dict[tuple[int, ...], Tensor] = {}  # blocks that get the same share one tensor
    found: list[Tensor] = []
    for index in range(count):
        parts = [row.at(index, count) for row in rows]
        key = tuple(map(id, parts))
        if key not in made:
            total = _total(parts)
            made[key] = F.pad(total, (0, 0, 0, tokens - total.shape[1])) if tokens > total.shape[1] else total
        found.append(made[key])
    return found


def _total(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
