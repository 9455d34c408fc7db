"""The pool: the one place where weights are. It builds what recipes name, shares it, and lets go of what rested longest.

    with pool.session(check) as models:
        network = models.network(model)
        guided = Guided(network, positive, negative, 7.0, models.control)

Recipes of one checkpoint that differ in LoRAs share its weights: the changes of one are taken off before the next one's
are put on.
"""

from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import TypeVar, cast

import torch

from nodes.diffusion.ahead import Ahead, Expected
from nodes.diffusion.denoiser import ControlNetwork, Network, OwnControl
from nodes.diffusion.guidance.rules import idle, uncompiled
from nodes.diffusion.holding import Beside, Build, Kept, file_name, network_build, opened, text_patchers
from nodes.diffusion.house import Current, House
from nodes.diffusion.lora_files import LoraFile, Strong
from nodes.diffusion.memory.budget import Budget, as_budget
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.mixing_weights import Mixed, merged, moved, scaled
from nodes.diffusion.models.build import Check
from nodes.diffusion.models.controls import Company, load_control_file
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.lent import equipped
from nodes.diffusion.models.load import Placement, load_text, load_vae
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.text import TextStack
from nodes.diffusion.patches import Patcher
from nodes.diffusion.sound_vae import SoundCoder, of_pictures, of_sounds
from nodes.diffusion.text import Encoder, Encoding, FindVectors, Prompts, Reading, read_prompt
from nodes.diffusion.vae import PixelCoder, VaeCoder
from nodes.diffusion.values import (
    PIXEL_SPACE,
    CheckpointRef,
    Clip,
    ControlUse,
    Difference,
    HookPatch,
    LoraPatch,
    Merge,
    Model,
    ModelSettings,
    Patch,
    TensorPatch,
    Vae,
    WeightScale,
)

_Beside = TypeVar("_Beside", bound=Beside)
_Name = tuple[object, ...]
COUNTED = (
    "With a budget for a processor's memory every tensor is counted, and what is counted cannot be compiled."
)
_Key = tuple[Part, str, int]  # what, content of its file, which copy


class Pool:
    """Loaded networks within a budget of bytes. Safe to use from several threads: one session works at a time.

    Args:
        placement: where networks live, in which types.
        budget: bytes of weights to keep, which what is in use may exceed; or what may be used of each kind of memory.
        meter: counts what is on a device that is the main memory itself.
        current: names the content that a file has by now, so that one which was replaced is not taken for another.
    """

    def __init__(
        self,
        placement: Placement,
        budget: int | Budget,
        meter: Meter | None = None,
        current: Current | None = None,
    ) -> None:
        self.placement = placement
        self._lock = RLock()
        self._kept: OrderedDict[_Key, Kept] = OrderedDict()
        self.house = House(placement, as_budget(budget), self._kept, meter, current)
        self.ahead = Ahead(self.house.home, self.house.has_room_ahead)
        self._emptying = False

    @contextmanager
    def session(self, check: Check | None = None, room: int | None = None) -> Generator["Session"]:
        """Networks to use until the block ends; nothing of it is let go before.

        Args:
            check: called before each block of every network in use; raises to stop.
            room: bytes of the device that computing will take; None: as much as the budget says.
        """
        with self._lock:
            self.house.room = room
            session = Session(self, check)
            try:
                with self.house.work():
                    yield session
            finally:
                session.close()
                self.house.ended()
                self.house.fit(0)
                if self._emptying:
                    self.empty()

    def empty(self) -> None:
        """Let go of all that is not in use: now, or as soon as the session of another thread has ended."""
        self._emptying = True
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._emptying = False
            self.ahead.forget()
            self.house.let_go(lambda: True)
        finally:
            self._lock.release()

    @property
    def budget(self) -> int:
        """Bytes of weights to keep."""
        return self.house.budget.keep

    @property
    def size(self) -> int:
        """Bytes of weights on the device."""
        with self._lock:
            return self.house.used

    def holdings(self) -> dict[str, int]:
        """Bytes of what is loaded, by file and part. Asks nobody to wait: what changes meanwhile may be missing."""
        found: dict[str, int] = {}
        for kept in tuple(self._kept.values()):
            name = f"{kept.source.path.name} ({kept.part.value})"
            found[name] = found.get(name, 0) + kept.size
        return found

    def sources(self) -> tuple[str, ...]:
        """What is loaded, without the changes on it, each in a line for `bring_back`; the last used comes last."""
        return tuple(f"{kept.part.name}:{kept.source.path}" for kept in tuple(self._kept.values()))

    def bring_back(self, source: str, reference: Callable[[Path], CheckpointRef]) -> None:
        """Load a part as another pool held it, for whoever needs it next; others come when they are needed.

        Args:
            source: a line of `sources`.
            reference: names the content that the file has by now.

        Raises:
            DiffusionError: as for `Session.network`.
        """
        part, _, path = source.partition(":")
        found = reference(Path(path))
        with self.session() as models:
            match Part[part]:
                case Part.NETWORK:
                    models.network(Model(found))
                case Part.TEXT:
                    models.text(Clip(found))
                case Part.VAE:
                    models.coder(Vae(found))
                case _:
                    ...

    def expect(self, part: Part, source: CheckpointRef, settings: ModelSettings | None = None) -> None:
        """This part will be asked for: it is read while something else computes, where there is room."""
        if part is Part.NETWORK:
            build = network_build(settings or ModelSettings())
        else:
            build = Build(load_text, text_patchers) if part is Part.TEXT else Build(load_vae)
        self.ahead.expect(Expected(part, source.path, source.content, build))

    def take(self, part: Part, source: CheckpointRef, patches: tuple[Patch, ...], build: Build) -> Kept:
        """The loaded part with these changes on it, counted as in use. For sessions; the lock is theirs.

        Raises:
            DiffusionError: a file is wrong, or memory does not suffice.
        """
        key, kept = self._found(part, source, patches, build)
        if kept is not None and not kept.users and not self.house.suits(kept):
            del self._kept[key]
            kept = None
            self.house.sweep()
        if kept is None:
            ahead = self.ahead.take(part, source.content, build)
            kept = self.house.built(part, source, build, ahead)
            self._kept[key] = kept
        self._kept.move_to_end(key)
        if kept.patches != patches:
            kept.users += 1  # a merge must not take it for the other model
            try:
                self.change(kept, patches)
            finally:
                kept.users -= 1
        kept.users += 1
        return kept

    def _found(
        self, part: Part, source: CheckpointRef, patches: tuple[Patch, ...], build: Build
    ) -> tuple[_Key, Kept | None]:
        """A copy that has these changes, else one that nobody uses, else none and the name for a new one."""
        copies = {key: kept for key, kept in self._kept.items() if key[:2] == (part, source.content)}
        alike = [item for item in copies.items() if item[1].build.types == build.types]
        fits = [item for item in alike if item[1].patches == patches]
        fits += [item for item in alike if item[1].users == 0]
        if fits:
            return fits[0]
        free = next(
            number for number in range(len(copies) + 1) if (part, source.content, number) not in copies
        )
        return (part, source.content, free), None

    def change(self, kept: Kept, patches: tuple[Patch, ...]) -> None:
        """Put other changes on a loaded part. For sessions, on what nobody else uses."""
        assert kept.patcher is not None
        kept.patches = ()
        others: list[Kept] = []
        read: dict[str, LoraFile] = {}
        try:
            kept.patcher.put_on([self._opened(kept, patch, read, others) for patch in patches])
        except torch.OutOfMemoryError:
            kept.patcher.take_off()
            raise
        finally:
            for other in others:
                other.users -= 1
        kept.patches = patches

    def _opened(
        self, kept: Kept, patch: Patch, read: dict[str, LoraFile], others: list[Kept]
    ) -> Strong | Mixed:
        """A patch with what it needs; files that were read, and networks that are merged, are noted."""
        match patch:
            case LoraPatch() | TensorPatch():
                return opened(patch, read)
            case WeightScale():
                return scaled(patch)
            case Difference():
                if patch.file.content == kept.source.content:
                    return moved(patch, {})
                others.append(self.take(kept.part, patch.file, (), kept.build))
                return moved(patch, others[-1].weights)
            case Merge():
                if patch.checkpoint.content == kept.source.content and not patch.patches:
                    return merged(patch, None)
                others.append(self.take(kept.part, patch.checkpoint, patch.patches, kept.build))
                return merged(patch, others[-1].weights)


@dataclass(slots=True, eq=False)
class Session:
    """What a piece of work uses of a pool. The networks it gives are valid until it ends.

    Attributes:
        warnings: what of the recipes could not be done, for the person at the canvas.
    """

    pool: Pool
    check: Check | None
    warnings: list[str] = field(default_factory=list[str])
    _used: list[tuple[Kept, Check | None]] = field(default_factory=list[tuple[Kept, Check | None]])
    _controls: dict[_Name, ControlNetwork] = field(default_factory=dict[_Name, ControlNetwork])
    _networks: dict[_Name, LoadedNetwork] = field(default_factory=dict[_Name, LoadedNetwork])
    _copies: dict[_Name, Kept] = field(default_factory=dict[_Name, Kept])

    def network(self, model: Model) -> LoadedNetwork:
        """The network of a recipe; the same one each time.

        Raises:
            DiffusionError: a file is missing, damaged or of an unknown kind, or memory does not suffice.
        """
        kept = self._take(Part.NETWORK, model.checkpoint, model.patches, network_build(model.settings))
        loaded = cast("LoadedNetwork", kept.loaded)
        told = idle(model.rules, loaded.family.name, loaded.family.takes, loaded.blocks)
        if model.settings.compiled:
            told = (*told, *uncompiled(model.rules, loaded.family.takes))
            told = told if self.pool.house.meter is None else (*told, COUNTED)
        self.warnings += [text for text in told if text not in self.warnings]
        key = (id(kept), model.settings, model.patches)
        if key not in self._networks:
            settled = self._settled(kept, model)
            self._networks[key] = equipped(replace(settled, patched=partial(self._hooked, model)), self)
        self.pool.ahead.begin()
        return self._networks[key]

    def _hooked(self, model: Model, patches: tuple[HookPatch, ...]) -> LoadedNetwork:
        """The network of a recipe with further patches, on a copy of its own whose weights change as they do."""
        key = (model.checkpoint.content, tuple(patch.file.content for patch in patches))
        wanted = replace(model, patches=(*model.patches, *patches))
        kept = self._copies.get(key)
        if kept is not None and kept.users == 1 and kept.patches != wanted.patches:
            self.pool.change(kept, wanted.patches)
        elif kept is None or kept.patches != wanted.patches:
            network = self.network(wanted)
            self._copies[key] = self._used[-1][0]
            return network
        return self._settled(kept, model)

    def _settled(self, kept: Kept, model: Model) -> LoadedNetwork:
        """A network as nodes have set it, which reads further channels where a patch has widened its entry."""
        settled = cast("LoadedNetwork", kept.loaded).settled(model.settings)
        return settled.widened(kept.patcher.wider) if isinstance(kept.patcher, Patcher) else settled

    def text(self, clip: Clip) -> Mapping[str, Encoder]:
        """The text encoders of a recipe, by the names that the field has for them. Errors as `network`."""
        encoders: dict[str, Encoder] = {}
        for file in (clip.checkpoint, *clip.others):
            build = Build(load_text, text_patchers)
            kept = self._take(Part.TEXT, file, clip.patches, build)
            self.pool.ahead.begin()
            encoders |= cast("TextStack", kept.loaded).encoders
        return encoders

    def encode(self, clip: Clip, prompt: str | Prompts, find: FindVectors | None = None) -> Encoding:
        """A prompt as a recipe's text encoders read it together. Errors as `network`.

        Args:
            find: learned vectors by the name that a prompt calls them.
        """
        prompts = Prompts(prompt) if isinstance(prompt, str) else prompt
        return read_prompt(clip.kind, Reading(self.text(clip), prompts, clip.last_layer, find, clip.padding))

    def vae(self, vae: Vae) -> VaeCoder | PixelCoder:
        """The autoencoder of a recipe, of pictures or videos. Errors as `network`, and where it is of sounds."""
        return of_pictures(self.coder(vae))

    def sounds(self, vae: Vae) -> SoundCoder:
        """The autoencoder of a recipe, of sounds. Errors as `network`, and where it is of pictures."""
        return of_sounds(self.coder(vae))

    def coder(self, vae: Vae) -> VaeCoder | PixelCoder:
        """The autoencoder of a recipe, of whatever it is. Errors as `network`."""
        if vae == PIXEL_SPACE:
            return PixelCoder()
        kept = self._take(Part.VAE, vae.checkpoint, (), Build(load_vae))
        return cast("VaeCoder", kept.loaded)

    def control(self, use: ControlUse, network: Network) -> ControlNetwork:
        """The control network of a use beside a network of this session; the same one each time. Errors as `network`."""
        key = (use.net, use.vae, id(network))
        if key not in self._controls:
            assert isinstance(network, LoadedNetwork)
            if isinstance(use.net, OwnControl):
                self._controls[key] = use.net.beside(network, use)
                return self._controls[key]
            file = self.beside(Part.CONTROL, use.net.checkpoint, load_control_file)
            coder = None if use.vae is None else partial(self.vae, use.vae)
            base = None if use.net.base is None else partial(self.network, use.net.base)
            self._controls[key] = file.beside(Company(use.net, network, coder, base))
        return self._controls[key]

    def beside(
        self, part: Part, source: CheckpointRef, load: Callable[[Path, Placement], _Beside]
    ) -> _Beside:
        """A network that stands beside a checkpoint's own, as its kind's `load_...` makes it. Errors as `network`."""
        return cast("_Beside", self._take(part, source, (), Build(load)).loaded)

    def close(self) -> None:
        """Give all back; a pool does it."""
        for kept, before in reversed(self._used):
            kept.users -= 1
            kept.gate.check = before
        self._used.clear()
        self._copies.clear()
        self._networks.clear()
        self._controls.clear()

    def _take(self, part: Part, source: CheckpointRef, patches: Sequence[Patch], build: Build) -> Kept:
        kept = self.pool.take(part, source, tuple(patches), build)
        self._used.append((kept, kept.gate.check))
        kept.gate.check = self.check
        self._warn(kept, patches)
        return kept

    def _warn(self, kept: Kept, patches: Sequence[Patch]) -> None:
        if kept.patcher is None or not kept.patcher.unmatched:
            return
        strangers = kept.patcher.strangers
        self.warnings += sorted(file.strange for file in strangers)
        unmatched = [
            name for name in kept.patcher.unmatched if not any(name in file.changes for file in strangers)
        ]
        if not unmatched:
            return
        others = {file.path.name for file in strangers}
        names = ", ".join(sorted({name for patch in patches if (name := file_name(patch))} - others))
        count, first = len(unmatched), unmatched[0]
        self.warnings.append(f"{names}: {count} changes fit nothing in this model ({first} first).")
