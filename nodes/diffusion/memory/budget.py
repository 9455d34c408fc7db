"""How much memory may be used, and where the weights of a network lie within it."""

from dataclasses import dataclass
from enum import Enum

GIGABYTE = 10**9


class Mode(Enum):
    """How eagerly weights leave the device, as the field's options say it."""

    AUTO = "auto"  # when there is need
    WHOLE = "highvram"  # never in parts: what does not fit whole is an error
    BLOCKS = "lowvram"  # networks always come block by block
    NOTHING = "novram"  # and nothing of their blocks stays


class Step(Enum):
    """Where the weights of a network lie, from the fastest to the last resort."""

    WHOLE = "on the device"
    BLOCKS = "block by block from main memory"
    DISK = "block by block from the file"


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes that may be used; None for as many as there are.

    Attributes:
        keep: of weights that nobody uses, with those in use.
        device: of weights and of computing, on the device that computes.
        host: of weights that wait in main memory, where the device has a memory of its own.
        reading: of files that are read before anybody asks for them.
        computing: of the device, kept for computing where nobody has said how much it takes.
        pinned: whether what waits in main memory is locked there, so that it comes to a card while that computes.
    """

    keep: int
    device: int | None = None
    host: int | None = None
    reading: int | None = None
    computing: int = 0
    mode: Mode = Mode.AUTO
    pinned: bool = True


def as_budget(budget: Budget | int) -> Budget:
    """A budget of weights alone, from its bytes."""
    return Budget(budget) if isinstance(budget, int) else budget


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a network weighs on the device, in bytes.

    Attributes:
        blocks: each of those that can come and go by themselves, in the order in which they are asked.
        rest: what must stay.
    """

    blocks: tuple[int, ...]
    rest: int

    @property
    def whole(self) -> int:
        return self.rest + sum(self.blocks)

    @property
    def least(self) -> int:
        """On the device, where it comes block by block: the one that computes, and the one after it that arrives."""
        return self.rest + self._moving(tuple(range(len(self.blocks))))

    def _moving(self, coming: tuple[int, ...]) -> int:
        slots = 2 if len(coming) > 1 else 1
        return slots * max((self.blocks[place] for place in coming), default=0)

    def held(self, coming: tuple[int, ...]) -> int:
        """Bytes on the device while the blocks of these numbers come and go."""
        moving = set(coming)
        staying = sum(size for place, size in enumerate(self.blocks) if place not in moving)
        return self.rest + staying + self._moving(coming)


@dataclass(frozen=True, slots=True)
class Residence:
    """Where the weights of a network lie.

    Attributes:
        coming: numbers of the blocks that come and go; the others stay on the device.
        held: bytes on the device. away: bytes that are elsewhere. whole: bytes, if all were on the device.
    """

    step: Step
    coming: tuple[int, ...] = ()
    held: int = 0
    away: int = 0
    whole: int = 0


class DoesNotFit(Exception):
    """Not even block by block.

    Attributes:
        needed: bytes on the device that it would take.
    """

    def __init__(self, needed: int) -> None:
        super().__init__(f"It needs {needed} bytes of the device.")
        self.needed = needed


def housed(sizes: Sizes, free: int, host: int | None, mode: Mode = Mode.AUTO) -> Residence:
    """Where weights go: whole if they fit; else as few blocks as possible come and go, spread evenly over the network.

    Args:
        free: bytes of the device for them.
        host: bytes of main memory for copies; None: as many as there are.

    Raises:
        DoesNotFit: the blocks are too large for it, or may not come and go.
    """
    whole = Residence(Step.WHOLE, (), sizes.whole, 0, sizes.whole)
    if mode is Mode.WHOLE or (mode is Mode.AUTO and sizes.whole <= free):
        if sizes.whole > free:
            raise DoesNotFit(sizes.whole)
        return whole
    if not sizes.blocks or sizes.least > free:
        if sizes.whole <= free:
            return whole
        raise DoesNotFit(min(sizes.least, sizes.whole))
    count = len(sizes.blocks)
    few = count if mode is Mode.NOTHING else next(
        number for number in range(1, count + 1) if sizes.held(_spread(number, count)) <= free
    )  # fmt: skip
    coming = _spread(few, count)
    away = sum(sizes.blocks[place] for place in coming)
    step = Step.BLOCKS if host is None or away <= host else Step.DISK
    return Residence(step, coming, sizes.held(coming), away, sizes.whole)


def _spread(number: int, count: int) -> tuple[int, ...]:
    """So many of `count` places, evenly: while one block computes that stays, the next one has time to come."""
    return tuple(place * count // number for place in range(number))
