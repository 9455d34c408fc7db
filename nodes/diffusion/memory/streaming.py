"""Blocks that come to the device as they are asked, each while the one before it computes, and leave when they are done."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from nodes.diffusion.memory.blocks import Block, Owned
from nodes.diffusion.models.waiting import Waiting, numbers

ALIGNED = 256  # bytes


@dataclass(slots=True, eq=False)
class Slot:
    """Room on the device for the weights of one block.

    Attributes:
        ready: when what was copied into it is there. free: when what computed with it has ended.
    """

    room: Tensor | None = None
    ready: Any = None
    free: Any = None


@runtime_checkable
class Lane(Protocol):
    """Keeps copying and computing in order."""

    def copying(self, slot: Slot) -> AbstractContextManager[object]:
        """What is copied into a slot within goes on beside what computes, once the slot is free."""
        ...

    def arrived(self, slot: Slot) -> None:
        """What computes from now on finds what was copied."""
        ...

    def left(self, slot: Slot) -> None:
        """What was told to compute until now is the last that uses the slot."""
        ...

    def empty(self) -> None:
        """Wait until nothing is copied any more."""
        ...


class PlainLane:
    """For devices that do one thing at a time."""

    def copying(self, slot: Slot) -> AbstractContextManager[object]:
        """As `Lane`: nothing is to be kept in order."""
        del slot
        return nullcontext()

    def arrived(self, slot: Slot) -> None:
        """As `Lane`."""

    def left(self, slot: Slot) -> None:
        """As `Lane`."""

    def empty(self) -> None:
        """As `Lane`."""


class CudaLane:
    """Copies on a second stream. The processor waits for neither."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    @contextmanager
    def copying(self, slot: Slot) -> Generator[None]:
        """As `Lane`."""
        if slot.free is not None:
            self._stream.wait_event(slot.free)
        else:  # its room may have been somebody's until now
            self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            yield
        slot.ready = self._stream.record_event()

    def arrived(self, slot: Slot) -> None:
        """As `Lane`."""
        if slot.ready is not None:
            torch.cuda.current_stream(self._device).wait_event(slot.ready)

    def left(self, slot: Slot) -> None:
        """As `Lane`."""
        slot.free = torch.cuda.current_stream(self._device).record_event()

    def empty(self) -> None:
        """As `Lane`."""
        self._stream.synchronize()


def lane_to(device: torch.device) -> Lane:
    """The way to a device."""
    return CudaLane(device) if device.type == "cuda" else PlainLane()


@dataclass(slots=True, eq=False)
class Streamed:
    """The blocks of a network that come and go. `watch` once; `rest` when nobody asks it any more.

    Weights are looked up each time a block is asked, so that a patch on one of them is brought as any weight is.

    Attributes:
        dtypes: in which weights are on the device, by name; others as they are.
    """

    blocks: Sequence[Block]
    lane: Lane
    device: torch.device
    dtypes: Mapping[str, torch.dtype] = field(default_factory=dict[str, torch.dtype])
    _slots: tuple[Slot, Slot] = field(default_factory=lambda: (Slot(), Slot()))
    _here: dict[int, int] = field(default_factory=dict[int, int])  # blocks in slots
    _homes: dict[int, list[nn.Parameter]] = field(default_factory=dict[int, list[nn.Parameter]])
    _after: dict[int, int] = field(default_factory=dict[int, int])
    _last: int | None = None

    def watch(self) -> None:
        """Stand before and behind every block."""
        for number, block in enumerate(self.blocks):
            block.module.register_forward_pre_hook(partial(self._enter, number), prepend=True)
            block.module.register_forward_hook(partial(self._leave, number), always_call=True)

    def rest(self) -> None:
        """Nothing of the blocks is on the device."""
        for number in tuple(self._homes):
            self._leave(number)
        self.lane.empty()
        self._here.clear()
        self._last = None
        for slot in self._slots:
            slot.room = slot.ready = slot.free = None

    def _enter(self, number: int, *_: object) -> None:
        if self._last is not None:
            self._after[self._last] = number
        self._last = number
        if number not in self._here:  # nobody saw it coming
            self._bring(number, 0)
        place = self._here[number]
        self._here = {number: place}
        slot = self._slots[place]
        self.lane.arrived(slot)
        weights = self.blocks[number].weights
        self._homes[number] = [owned.weight for owned in weights]
        assert slot.room is not None
        for owned, spot in zip(weights, self._spots(number)[0], strict=True):
            put(owned, nn.Parameter(spot.of(slot.room), requires_grad=False))
        following = self._after.get(number, (number + 1) % len(self.blocks))
        if following != number:
            self._bring(following, 1 - place)

    def _leave(self, number: int, *_: object) -> None:
        homes = self._homes.pop(number, None)
        if homes is None:
            return
        for owned, home in zip(self.blocks[number].weights, homes, strict=True):
            put(owned, home)
        if number in self._here:
            self.lane.left(self._slots[self._here[number]])

    def _bring(self, number: int, place: int) -> None:
        """Begin to copy a block into a slot."""
        slot = self._slots[place]
        spots, size = self._spots(number)
        if slot.room is None or slot.room.numel() < size:
            self.lane.empty()
            slot.free = None
            slot.room = None
            slot.room = self._room(size)
        with self.lane.copying(slot):
            for owned, spot in zip(self.blocks[number].weights, spots, strict=True):
                home, there = owned.weight.data, spot.of(slot.room)
                if isinstance(home, Waiting):
                    home.into(there)
                    continue
                wide = home.dtype != there.dtype and self.device.type != "cpu"
                there.copy_(home.to(self.device, non_blocking=True) if wide else home, non_blocking=True)
        self._here[number] = place

    def _room(self, size: int) -> Tensor:
        """Of the largest block, so that any fits."""
        most = max(size, *(self._spots(number)[1] for number in range(len(self.blocks))))
        with torch.inference_mode(mode=False):
            room = torch.empty(most + ALIGNED, dtype=torch.uint8, device=self.device)
        return room[-room.data_ptr() % ALIGNED :][:most]

    def _spots(self, number: int) -> "tuple[list[_Spot], int]":
        """Where in a slot each weight of a block lies, and how many bytes they take."""
        start, spots = 0, list[_Spot]()
        for owned in self.blocks[number].weights:
            weight = owned.weight
            dtype = self.dtypes.get(owned.full, weight.dtype)
            size = weight.numel() * dtype.itemsize
            shift = _shift(weight, self.device, dtype)
            spots.append(_Spot(start + shift, size, dtype, weight.shape))
            start += -(-(shift + size) // ALIGNED) * ALIGNED
        return spots, start


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a weight lies within a slot."""

    start: int
    size: int
    dtype: torch.dtype
    shape: torch.Size

    def of(self, room: Tensor) -> Tensor:
        """The weight there."""
        return room[self.start : self.start + self.size].view(self.dtype).view(self.shape)


def settle(weights: Sequence[Owned], device: torch.device, dtypes: Mapping[str, torch.dtype]) -> None:
    """Weights come to a device to stay; on a device that is the main memory itself, as copies of their own."""
    done: dict[int, nn.Parameter] = {}
    for owned in weights:
        home = owned.weight
        if id(home) not in done:
            dtype = dtypes.get(owned.full, home.dtype)
            made = _copied(home.data, device, dtype)
            done[id(home)] = nn.Parameter(made, requires_grad=False)
        put(owned, done[id(home)])


def _shift(home: Tensor, device: torch.device, dtype: torch.dtype) -> int:
    """How far behind an even place a copy begins: as its home, since kernels of processors round by where a weight lies."""
    there = device.type == "cpu" and home.dtype == dtype and not isinstance(home, Waiting)
    return home.data_ptr() % ALIGNED if there else 0


def _copied(home: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    shift = _shift(home, device, dtype)
    if isinstance(home, Waiting):
        return numbers(home).to(device, dtype)
    if not shift:
        return home.to(device, dtype, copy=True)
    size = home.numel() * dtype.itemsize
    room = torch.empty(size + 2 * ALIGNED, dtype=torch.uint8, device=device)
    start = -room.data_ptr() % ALIGNED + shift
    return room[start : start + size].view(dtype).view(home.shape).copy_(home)


def lock(weights: Sequence[Owned]) -> int:
    """Lock weights in main memory, from where a card fetches them while it computes; the bytes that this took.

    Where the system refuses, they stay as they are: they come all the same, only not meanwhile.
    """
    taken = 0
    for owned in weights:
        home = owned.weight.data
        if isinstance(home, Waiting):
            continue
        try:
            put(owned, nn.Parameter(home.pin_memory(), requires_grad=False))
        except RuntimeError:
            return taken
        taken += home.numel() * home.element_size()
    return taken


def put(owned: Owned, weight: nn.Parameter) -> None:
    """Let a module use another weight."""
    cast("Any", owned.owner)._parameters[owned.name] = weight  # noqa: SLF001 - `setattr` looks at much that does not change
