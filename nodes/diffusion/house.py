"""Where loaded parts live within a budget: what is let go for them, and in which form they come.

The pool says what is wanted; here it is found room. A part comes whole if it fits, else its blocks come and go, from main
memory or at last from its file. What nobody uses leaves first, text encoders and autoencoders before networks.
"""

import gc
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch

from nodes.diffusion.ahead import Expected
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.holding import Build, Kept, Loaded
from nodes.diffusion.memory.blocks import blocks_of, rest_of, sizes_of
from nodes.diffusion.memory.budget import Budget, DoesNotFit, Mode, Residence, Sizes, Step, housed
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.memory.streaming import Streamed, lane_to, lock, settle
from nodes.diffusion.memory.words import readable, too_little
from nodes.diffusion.models.build import Gate, modules_in
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.files import GGUF, Stamp, stamp_of
from nodes.diffusion.models.load import Placement, module_of, weights_needed
from nodes.diffusion.models.stored import narrow
from nodes.diffusion.values import CheckpointRef

CPU = torch.device("cpu")
IN_BLOCKS = (Part.NETWORK, Part.TEXT, Part.CONTROL)
FIRST_TO_GO = (Part.TEXT, Part.VAE, Part.VISION, Part.UPSCALER)
MORE = 4  # after memory ran out, a fourth of the device more is left to computing

Current = Callable[[Path], CheckpointRef]


@dataclass(slots=True, eq=False)
class House:
    """Finds room for parts.

    Attributes:
        kept: what is loaded, the one unused for longest first; the pool's.
        meter: counts what is on a device that is the main memory itself.
        current: names the content that a file has by now; None: it is not asked.
        room: bytes of the device that the present work needs beside weights; None: nobody has said.
        margin: bytes left to computing beyond that, since memory ran out.
    """

    placement: Placement
    budget: Budget
    kept: MutableMapping[Any, Kept]
    meter: Meter | None = None
    current: Current | None = None
    room: int | None = None
    margin: int = 0

    @property
    def used(self) -> int:
        """Bytes of weights on the device."""
        return sum(kept.size for kept in tuple(self.kept.values()))

    @property
    def free(self) -> int:
        """Bytes of the device for further weights; less than nothing where it holds too many."""
        whole = self.budget.keep if self.budget.device is None else self.budget.device
        return whole - self.used - self._computing

    @property
    def _computing(self) -> int:
        if self.budget.device is None:
            return 0
        return (self.budget.computing if self.room is None else self.room) + self.margin

    def work(self) -> AbstractContextManager[object]:
        """Within it, what is made on the device is counted."""
        return self.meter or nullcontext()

    def ended(self) -> None:
        """A piece of work is over."""
        self.room = None
        for kept in tuple(self.kept.values()):
            if kept.streamed is not None and not kept.users:
                kept.streamed.rest()

    def memory_ran_out(self) -> None:
        """Leave more to computing in the next piece of work: weights that came whole then come in blocks."""
        if self.budget.device is not None:
            self.margin = min(self.margin + self.budget.device // MORE, self.budget.device)

    def fit(self, coming: int) -> None:
        """Let go of what nobody uses until so many bytes more are free, as far as it goes."""
        self.let_go(lambda: self.free < coming)

    def let_go(self, more: Callable[[], bool]) -> None:
        """Drop what nobody uses while there is need: what is quickly read again, then what was unused for longest."""
        gone = False
        resting = [(key, kept) for key, kept in self.kept.items() if kept.users == 0]
        if self.budget.device is not None:
            resting.sort(key=lambda item: item[1].part not in FIRST_TO_GO)
        for key, _ in resting:
            if not more():
                break
            del self.kept[key]
            gone = True
        if gone:
            self.sweep()

    def sweep(self) -> None:
        """Give back what nothing refers to any more: networks refer to themselves."""
        gc.collect()
        if self.placement.device.type == "cuda":
            torch.cuda.empty_cache()

    def suits(self, kept: Kept) -> bool:
        """Whether a loaded part that nobody uses can stay as it is for the present work; room is made for it."""
        if changed_beneath(kept):
            return False
        if self.budget.device is None:
            return True
        kept.users += 1
        try:
            self.let_go(lambda: self.free < 0)
        finally:
            kept.users -= 1
        if kept.residence is None or kept.streamed is None:
            return self.free >= 0 or kept.part not in IN_BLOCKS
        if self.budget.mode is Mode.AUTO and kept.residence.whole <= self.free + kept.size:
            return False
        return self.free >= 0 or len(kept.residence.coming) == len(kept.streamed.blocks)

    def built(self, part: Part, source: CheckpointRef, build: Build, ahead: Loaded | None = None) -> Kept:
        """A part, loaded where there is room for it.

        Args:
            ahead: it, where it was read before it was asked for.

        Raises:
            DiffusionError: the file is wrong, has changed, or memory does not suffice.
        """
        if self.current is not None and self.current(source.path).content != source.content:
            raise DiffusionError(
                f"{source.path.name} has changed since this run began.",
                "Run once more: its new content is read then.",
            )
        stamp = stamp_of(source.path)
        placement = self._placed(build)
        needed = weights_needed(source.path, part, placement)
        self.fit(needed)
        if self.budget.device is None or self._comes_whole(part, needed):
            loaded = self._whole(source.path, build, placement, ahead)
            if loaded is None:
                self.let_go(lambda: True)
                loaded = self._whole(source.path, build, placement, None)
            if loaded is not None:
                return self._told(Kept(part, source, loaded, Gate(), build, None, stamp=stamp))
            if self.budget.device is None or part not in IN_BLOCKS:
                raise too_little(part, source.path)
            self.memory_ran_out()
        return self._in_blocks(part, source, build, placement, stamp, ahead)

    def has_room_ahead(self, expected: Expected) -> bool:
        """Whether a part that is not here yet may be read now, beside what is there."""
        if any(key[:2] == (expected.part, expected.content) for key in tuple(self.kept)):
            return False
        needed = weights_needed(expected.path, expected.part, self._placed(expected.build))
        if self.budget.device is None and needed > self.budget.keep - self.used:
            return False
        return needed > 0 and (self.budget.reading is None or needed <= self.budget.reading)

    def _comes_whole(self, part: Part, needed: int) -> bool:
        mode = self._mode(part)
        return needed > 0 and needed <= self.free and mode in (Mode.AUTO, Mode.WHOLE)

    def _mode(self, part: Part) -> Mode:
        low = (Mode.BLOCKS, Mode.NOTHING)
        return Mode.AUTO if self.budget.mode in low and part is not Part.NETWORK else self.budget.mode

    def _placed(self, build: Build) -> Placement:
        dtype = build.dtype or self.placement.dtype
        return replace(self.placement, dtype=dtype, stored=build.stored or self.placement.stored)

    def _whole(self, path: Path, build: Build, placement: Placement, ahead: Loaded | None) -> Loaded | None:
        """A part on the device; None if it does not fit there. What of it was there already is let go with the error."""
        try:
            if ahead is None and self.meter is None:
                return build.load(path, placement)
            home = ahead or self._home(path, build, placement)
            if self.meter is None and placement.device == CPU:
                return home
            module = module_of(home)
            settle(rest_of(module, []), placement.device, {})
            module.to(placement.device)
            return computing_on(home, placement.device)
        except torch.OutOfMemoryError:
            return None

    def home(self, path: Path, build: Build) -> Loaded:
        """A part in main memory, as far as can be as pages of its file; for `built` to place. Errors as `Build.load`."""
        return self._home(path, build, self._placed(build))

    def _home(self, path: Path, build: Build, placement: Placement) -> Loaded:
        with self.meter.aside() if self.meter is not None else nullcontext():
            return build.load(path, replace(placement, device=CPU))

    def _in_blocks(
        self,
        part: Part,
        source: CheckpointRef,
        build: Build,
        placement: Placement,
        stamp: "Stamp | None",
        ahead: Loaded | None,
    ) -> Kept:
        host = self._host_free()
        needed = weights_needed(source.path, part, placement)
        short = host is not None and needed > host
        # Where the device is the main memory itself, what waits unpacked would take it as much as what is at work.
        packed = host is None and placement.device == CPU and source.path.suffix.lower() == GGUF
        as_stored = part is Part.NETWORK and (short or packed)
        home = ahead or self._home(source.path, build, replace(placement, as_stored=as_stored))
        module = module_of(home)
        dtypes = _dtypes(module, placement) if as_stored else {}
        sizes = sizes_of(module, dtypes)
        if part not in IN_BLOCKS:
            sizes = Sizes((), sizes.whole)
        self.fit(sizes.whole)
        try:
            residence = housed(sizes, self.free, host, self._mode(part))
        except DoesNotFit as error:
            raise self._too_little(part, source.path, error.needed) from error
        for attempt in (residence, None):
            place = attempt or housed(sizes, max(sizes.least, self.free), host, Mode.NOTHING)
            try:
                streamed = self._settled(module, place, dtypes)
                loaded = computing_on(home, self.placement.device)
                return self._told(
                    Kept(part, source, loaded, Gate(), build, None, (), 0, place, streamed, stamp)
                )
            except torch.OutOfMemoryError:
                self.let_go(lambda: True)
        raise self._too_little(part, source.path, sizes.least)

    def _settled(
        self, module: torch.nn.Module, residence: Residence, dtypes: dict[str, torch.dtype]
    ) -> Streamed | None:
        """Bring to the device what stays there, and stand before the blocks that come and go."""
        blocks = blocks_of(module)
        coming = [blocks[number] for number in residence.coming]
        settle(rest_of(module, coming), self.placement.device, dtypes)
        for _, inner in modules_in(module):
            for name, buffer in inner.named_buffers(recurse=False):
                cast("Any", inner)._buffers[name] = buffer.to(self.placement.device)  # noqa: SLF001 - as `nn.Module.to`
        if not coming:
            return None
        if self.placement.device.type == "cuda" and residence.step is Step.BLOCKS and self.budget.pinned:
            lock([owned for block in coming for owned in block.weights])
        streamed = Streamed(coming, lane_to(self.placement.device), self.placement.device, dtypes)
        streamed.watch()
        return streamed

    def _told(self, kept: Kept) -> Kept:
        kept.gate.watch(kept.module)
        kept.patcher = kept.build.patcher(kept.loaded)
        return kept

    def _host_free(self) -> int | None:
        if self.budget.host is None:
            return None
        away = (kept.residence for kept in self.kept.values() if kept.residence is not None)
        return self.budget.host - sum(one.away for one in away if one.step is Step.BLOCKS)

    def _too_little(self, part: Part, path: Path, needed: int) -> DiffusionError:
        others = self.used
        held = f", and what else is in use takes {readable(others)}" if others else ""
        computing = f"; {readable(self._computing)} are kept for computing" if self._computing else ""
        whole = self.budget.device or 0
        said = f" It needs {readable(needed)} of the {readable(whole)} that may be used{held}{computing}."
        return too_little(part, path, said)


def changed_beneath(kept: Kept) -> bool:
    """Whether somebody has written into the very file whose pages are a part's weights.

    One that took its name and left it alone is another file: its pages are still what they were.
    """
    now = stamp_of(kept.source.path)
    return kept.stamp is not None and now is not None and now[0] == kept.stamp[0] and now != kept.stamp


def computing_on(loaded: Loaded, device: torch.device) -> Loaded:
    """A loaded part that sends what it is asked to a device."""
    if is_dataclass(loaded) and any(one.name == "device" for one in fields(loaded)):
        return cast("Loaded", replace(cast("Any", loaded), device=device))
    return loaded


def _dtypes(module: torch.nn.Module, placement: Placement) -> dict[str, torch.dtype]:
    kept = {} if placement.stored is None else narrow(module, placement.stored)
    return {
        name: kept.get(name, placement.dtype)
        for name, weight in module.named_parameters(remove_duplicate=False)
        if weight.is_floating_point()
    }
