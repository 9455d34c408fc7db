"""Weights changed in place: LoRAs and their kin, and mixes, put on in call order and taken off without a trace.

All of a recipe's changes of one weight are made in single precision, each on what the one before has left, and rounded
once; the original is kept, so that taking them off gives its very bits back. `lora_kinds` says what a change is,
`lora_files` reads it, `lora_names` tells which weight it is for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.lora_files import Change, LoraFile, Strong
from nodes.diffusion.lora_names import known, table, within
from nodes.diffusion.mixing_weights import Mixed
from nodes.diffusion.models.family import Place
from nodes.diffusion.models.unet_shape import renamed

MIXED_ENDS = (".weight", ".bias")
Totals = dict[str, Tensor]  # changed weights, Float32, by name


@dataclass(slots=True, eq=False)
class Patcher:
    """Puts changes on the weights of one network and takes them off.

    Attributes:
        prefixes: how files call this network, before a module's name.
        aliases: other beginnings of names, each with that which this network gives it; both end in a full stop.
        keeps_half: a weight that is whole in half precision is one when changed too, as text encoders are kept in the field.
        label: which of several networks of one file this is.
        places: where its tensors lie in files of the original layout.
        unmatched: names in files that were meant for this network, and which it does not have.
        matched: those that it has.
        strangers: files that were meant for it, of which it has no name at all.
        fitting: files of which it has some.
        wider: how many times as many columns a weight has that a file has made grow, by name.
    """

    module: nn.Module
    prefixes: Sequence[str]
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    keeps_half: bool = False
    label: str = ""
    places: Sequence[Place] = ()
    unmatched: tuple[str, ...] = ()
    matched: frozenset[str] = frozenset()
    strangers: frozenset[LoraFile] = frozenset()
    fitting: frozenset[LoraFile] = frozenset()
    wider: Mapping[str, float] = field(default_factory=dict[str, float])
    _originals: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    _table: dict[str, tuple[Place, ...]] = field(default_factory=dict[str, tuple[Place, ...]])
    _field_names: dict[str, str] = field(default_factory=dict[str, str])

    @torch.no_grad()
    def put_on(self, patches: Iterable[Strong | Mixed]) -> None:
        """Change the original weights by files and mixes, in order; what was on before is taken off first.

        Raises:
            CheckpointUnknown: a file does not fit this network. Nothing is on then.
        """
        self.take_off()
        if not self._table:
            self._table.update(table(self.module, self.aliases, self.places))
        work = _Work()
        matched: set[str] = set()
        unmatched: list[str] = []
        meant: set[LoraFile] = set()
        fitting: set[LoraFile] = set()
        for patch in patches:
            if isinstance(patch, Mixed):
                for name in self._mixable():
                    work.add(_Mixing(patch, self.label, name, self._field_name(name)))
                continue
            for name, change in patch.file.changes.items():
                steps = self._steps(patch, name, change)
                if steps is None:
                    continue
                meant.add(patch.file)
                (matched.add if steps else unmatched.append)(name)
                if steps:
                    fitting.add(patch.file)
                for step in steps if patch.strength else ():
                    work.add(step)
        try:
            for names, steps in work.groups():
                unmatched += self._change(names, steps)
        except (CheckpointUnknown, torch.OutOfMemoryError):
            self.take_off()
            raise
        self.unmatched, self.matched = tuple(unmatched), frozenset(matched)
        self.fitting, self.strangers = frozenset(fitting), frozenset(meant - fitting)

    def take_off(self) -> None:
        """Give the original weights back, bit for bit."""
        for name, original in self._originals.items():
            self._set(name, original)
        self._originals.clear()
        self.unmatched, self.matched, self.wider = (), frozenset(), {}
        self.fitting = self.strangers = frozenset()

    @property
    def size(self) -> int:
        """Bytes that the kept originals take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._originals.values())

    def _steps(self, patch: Strong, name: str, change: Change) -> "list[_Adding] | None":
        """What a change does to weights here; empty where it fits none, None where it is not meant for this network."""
        meant = False
        for rest in within(name, self.prefixes):
            meant, looked = True, known(rest)
            named = (f"{looked}_weight", f"{looked}_scale", looked)
            weights = next((self._table[name] for name in named if name in self._table), ())
            biases = self._table.get(f"{looked}_bias", ())
            found = [_Adding(patch, name, change, weights, bias=False)] if weights else []
            if biases and change.parts.keys() & {"bias", "factors"}:
                found.append(_Adding(patch, name, change, biases, bias=True))
            if found:
                return found
        return [] if meant else None

    def _change(self, names: Sequence[str], steps: "Sequence[_Mixing | _Adding]") -> Iterator[str]:
        """Change weights that belong together; what of a mix does not fit is named and left out."""
        totals: Totals = {}
        originals = {name: self._get(name) for name in names}
        for step in steps:
            try:
                step.apply(originals, totals)
            except ValueError:
                yield step.name
        for name, total in totals.items():
            original = originals[name]
            self._originals[name] = original.data
            if self.keeps_half and torch.equal(original.half().to(original.dtype), original):
                total = total.half()
            if total.shape != original.shape:
                self.wider = {**self.wider, name: total.shape[1] / original.shape[1]}
            self._set(name, total.to(original.dtype))

    def _get(self, name: str) -> Tensor:
        module, _, weight = name.rpartition(".")
        found = getattr(self.module.get_submodule(module), weight)
        assert isinstance(found, Tensor)
        return found

    def _set(self, name: str, tensor: Tensor) -> None:
        module, _, weight = name.rpartition(".")
        setattr(self.module.get_submodule(module), weight, nn.Parameter(tensor, requires_grad=False))

    def _mixable(self) -> Iterator[str]:
        """Every weight and bias of its modules."""
        for name, _ in self.module.named_parameters(remove_duplicate=False):
            if name.endswith(MIXED_ENDS):
                yield name

    def _field_name(self, name: str) -> str:
        """A weight's name in the field's layout; ours where that is not known."""
        if not self._field_names:
            self._field_names.update({place.ours: place.theirs for place in self.places})
            self._field_names.update({ours: alias for alias, ours in self.aliases.items()})
        return self._field_names.get(name) or renamed(name, self._field_names) or name


@dataclass(frozen=True, slots=True, eq=False)
class Patchers:
    """Several networks of one file, changed together: as `Patcher`."""

    parts: Sequence[Patcher]

    def put_on(self, patches: Sequence[Strong | Mixed]) -> None:
        """Change all of them. Raises as `Patcher.put_on`; nothing is on any of them then."""
        try:
            for part in self.parts:
                part.put_on(patches)
        except (CheckpointUnknown, torch.OutOfMemoryError):
            self.take_off()
            raise

    def take_off(self) -> None:
        """Give the original weights back, bit for bit."""
        for part in self.parts:
            part.take_off()

    @property
    def size(self) -> int:
        """Bytes that the kept originals take."""
        return sum(part.size for part in self.parts)

    @property
    def matched(self) -> frozenset[str]:
        """Names in files that one of these networks has."""
        return frozenset(name for part in self.parts for name in part.matched)

    @property
    def strangers(self) -> frozenset[LoraFile]:
        """Files that were meant for one of these networks, of which none has any name."""
        fitting = {file for part in self.parts for file in part.fitting}
        return frozenset(file for part in self.parts for file in part.strangers if file not in fitting)

    @property
    def unmatched(self) -> tuple[str, ...]:
        """Names in files that were meant for one of these networks, and which none of them has."""
        names = dict.fromkeys(name for part in self.parts for name in part.unmatched)
        return tuple(name for name in names if name not in self.matched)


@dataclass(frozen=True, slots=True, eq=False)
class _Mixing:
    """A mix's part in one weight."""

    patch: Mixed
    label: str
    name: str
    field_name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def apply(self, originals: Mapping[str, Tensor], totals: Totals) -> None:
        """Change the total of a weight. Raises ValueError where it does not fit."""
        whole = f"{self.label}:{self.name}"
        made = self.patch.applied(whole, self.field_name, originals[self.name], totals.get(self.name))
        if made is not None:
            totals[self.name] = made


@dataclass(frozen=True, slots=True, eq=False)
class _Adding:
    """A file's change of one weight or bias, which may be several here.

    Attributes:
        name: of the module in the file.
        places: of our tensors within that of the file, in the order of rows.
    """

    patch: Strong
    name: str
    change: Change
    places: tuple[Place, ...]
    bias: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(place.ours for place in self.places)

    def apply(self, originals: Mapping[str, Tensor], totals: Totals) -> None:
        """Change the totals of the weights.

        Raises:
            CheckpointUnknown: it does not fit them.
        """
        now = [totals.get(place.ours, originals[place.ours]).float() for place in self.places]
        try:
            whole = _joined(self.places, now)
            if not self.bias and self.change.shape is not None:
                whole = _grown(whole, self.change.shape)
            added = self.change.of_bias(whole) if self.bias else self.change.of_weight(whole)
        except ValueError as error:
            raise self._misfit(str(error)) from error
        if added is None:
            return
        strength = 1.0 if self.change.replaces and not self.bias else self.patch.strength
        parts = _parted(self.places, whole + strength * added)
        for place, had, part in zip(self.places, now, parts, strict=True):
            totals[place.ours] = part.reshape(had.shape) if part.numel() == had.numel() else part

    def _misfit(self, why: str) -> CheckpointUnknown:
        family = self.patch.file.family
        seems = f"; it seems made for {family}" if family else ""
        what = f"its change of {self.name} does not fit ({why}){seems}"
        return CheckpointUnknown(self.patch.file.path, "a LoRA for this model", what)


class _Work:
    """Steps in order, those together whose weights hang together."""

    def __init__(self) -> None:
        self._steps: list[_Mixing | _Adding] = []
        self._root: dict[str, str] = {}

    def add(self, step: _Mixing | _Adding) -> None:
        """One step more."""
        self._steps.append(step)
        first = self._find(step.names[0])
        for name in step.names[1:]:
            self._root[self._find(name)] = first

    def groups(self) -> Iterator[tuple[tuple[str, ...], "list[_Mixing | _Adding]"]]:
        """The weights that hang together, and their steps in order."""
        steps: dict[str, list[_Mixing | _Adding]] = {}
        for step in self._steps:
            steps.setdefault(self._find(step.names[0]), []).append(step)
        for group in steps.values():
            yield tuple(dict.fromkeys(name for step in group for name in step.names)), group

    def _find(self, name: str) -> str:
        while self._root.setdefault(name, name) != name:
            name = self._root[name]
        return name


def _joined(places: Sequence[Place], tensors: Sequence[Tensor]) -> Tensor:
    """The file's tensor, of ours."""
    parts = [_turned(place, tensor) for place, tensor in zip(places, tensors, strict=True)]
    return (
        parts[0]
        if len(parts) == 1
        else torch.cat([part.flatten(1) if part.ndim > 1 else part for part in parts])
    )


def _parted(places: Sequence[Place], whole: Tensor) -> Iterator[Tensor]:
    """Ours, of the file's tensor."""
    start = 0
    for place in places:
        rows = place.rows[1] if place.rows is not None and len(places) > 1 else len(whole)
        yield _turned(place, whole.narrow(0, start, rows))
        start += rows


def _turned(place: Place, tensor: Tensor) -> Tensor:
    if not place.swapped:
        return tensor
    first, second = tensor.chunk(2)
    return torch.cat((second, first))


def _grown(weight: Tensor, shape: Sequence[int]) -> Tensor:
    """A weight of further rows and columns, which are zeros.

    Raises:
        ValueError: it would have to shrink.
    """
    if len(shape) != weight.ndim or any(new < old for new, old in zip(shape, weight.shape, strict=True)):
        raise ValueError(f"it wants a weight of {tuple(shape)}, and that is {tuple(weight.shape)}")
    if prod(shape) == weight.numel():
        return weight
    sides = [amount for new, old in zip(shape, weight.shape, strict=True) for amount in (new - old, 0)]
    return F.pad(weight, sides[::-1])
