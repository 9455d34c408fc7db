"""LoRA and its kin: changes of weights kept in small files, put on in call order and taken off without a trace.

All of a recipe's changes of one weight are summed in single precision on the original and rounded once; the original is
kept, so that taking them off gives its very bits back. Source: Hu et al. 2021 (arXiv:2106.09685), eq. 3; with kernels and
a middle, LyCORIS (Yeh et al. 2023, arXiv:2309.14859), section 3.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.mixing_weights import Mixed
from nodes.diffusion.models.build import modules_in
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.models.unet_shape import renamed

# How the parts of one change are called in files, by what they are.
PARTS = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_mid.weight": "middle",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".alpha": "alpha",
    ".dora_scale": "lengths",
    ".hada_w1_a": "one_a",
    ".hada_w1_b": "one_b",
    ".hada_w2_a": "two_a",
    ".hada_w2_b": "two_b",
    ".diff": "whole",
    ".diff_b": "bias",
}
NETWORK_PREFIXES = ("lora_unet_", "unet.", "diffusion_model.")
TEXT_PREFIXES = ("lora_te_", "lora_te1_", "text_encoder.")
# Of several text encoders, by the field's names for them; those of others have no LoRAs that are met.
TEXTS_PREFIXES: Mapping[str, Sequence[str]] = {
    "l": TEXT_PREFIXES,
    "h": TEXT_PREFIXES,
    "g": ("lora_te2_", "text_encoder_2."),
    "t5xxl": ("lora_te3_", "text_encoder_3."),
}
SEPARATORS = re.compile(r"[._]")


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What a file says of one weight: tensors by their part; `alpha` is a tensor of one number."""

    parts: Mapping[str, Tensor]

    def of_weight(self, original: Tensor) -> Tensor | None:
        """What is added to a weight at strength 1, Float32 of its shape; None where only the bias changes.

        Raises:
            ValueError: the tensors do not fit the weight or each other.
        """
        parts = {name: part.to(original.device, torch.float32) for name, part in self.parts.items()}
        try:
            made = _product(parts)
            if made is None:
                return None
            made = made.reshape(original.shape)
        except (RuntimeError, KeyError) as error:
            raise ValueError(str(error)) from error
        if "lengths" not in parts:
            return made
        return _with_lengths(original.float(), made, parts["lengths"])

    def of_bias(self, original: Tensor) -> Tensor | None:
        """What is added to a bias at strength 1; None where it stays."""
        bias = self.parts.get("bias")
        return None if bias is None else bias.to(original.device, torch.float32).reshape(original.shape)


@dataclass(frozen=True, slots=True, eq=False)
class LoraFile:
    """A read file: a change for each module, by the module's name in it (any of the field's layouts)."""

    path: Path
    changes: Mapping[str, Change]


@dataclass(frozen=True, slots=True, eq=False)
class Strong:
    """A read file at a strength."""

    file: LoraFile
    strength: float


def read_lora(path: Path) -> LoraFile:
    """Read a file of changes.

    Raises:
        CheckpointMissing, CheckpointUnreadable: as `open_weights`.
        CheckpointUnknown: it holds none.
    """
    weights = open_weights(path)
    stored = weights.tensors(weights.shapes)
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in stored.items():
        ending = next((ending for ending in PARTS if name.endswith(ending)), None)
        if ending is not None:
            module = name.removesuffix(ending).replace(".processor.", ".")
            grouped.setdefault(module, {})[PARTS[ending]] = tensor
    changes = {
        module: Change(parts) for module, parts in grouped.items() if parts.keys() - {"alpha", "lengths"}
    }
    if not changes:
        raise CheckpointUnknown(path, "a LoRA", "it holds no changes of weights that Weft knows")
    return LoraFile(path, changes)


@dataclass(slots=True, eq=False)
class Patcher:
    """Puts changes on the weights of one network and takes them off.

    Attributes:
        prefixes: how files call this network, before a module's name.
        aliases: other names of modules, each with the prefix that this network gives it; both end in a full stop.
        keeps_half: a weight that is whole in half precision is one when changed too, as text encoders are kept in the field.
        label: which of several networks of one file this is.
        unmatched: names in files that were meant for this network, and which it does not have.
    """

    module: nn.Module
    prefixes: Sequence[str]
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    keeps_half: bool = False
    label: str = ""
    unmatched: tuple[str, ...] = ()
    _originals: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    _modules: dict[str, str] = field(default_factory=dict[str, str])
    _field_names: dict[str, str] = field(default_factory=dict[str, str])

    @torch.no_grad()
    def put_on(self, patches: Iterable[Strong | Mixed]) -> None:
        """Change the original weights by files and mixes, in order; what was on before is taken off first.

        Raises:
            CheckpointUnknown: a file does not fit this network. Nothing is on then.
        """
        self.take_off()
        wanted: dict[str, list[_Step]] = {}
        unmatched: list[str] = []
        for patch in patches:
            if isinstance(patch, Mixed):
                for module in self._weighted():
                    wanted.setdefault(module, []).append(_Step(patch, label=self.label))
                continue
            for name, change in patch.file.changes.items():
                if not name.startswith(tuple(self.prefixes)):
                    continue
                module = self._module(name)
                if module is None:
                    unmatched.append(name)
                elif patch.strength != 0.0:
                    wanted.setdefault(module, []).append(_Step(patch, change))
        try:
            for module, steps in wanted.items():
                unmatched += self._change(module, steps)
        except CheckpointUnknown:
            self.take_off()
            raise
        self.unmatched = tuple(unmatched)

    def take_off(self) -> None:
        """Give the original weights back, bit for bit."""
        for name, original in self._originals.items():
            self._set(name, original)
        self._originals.clear()

    @property
    def size(self) -> int:
        """Bytes that the kept originals take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self._originals.values())

    def _change(self, module: str, steps: "Sequence[_Step]") -> Iterator[str]:
        """Change a module's weights; what of a mix does not fit is named and left out."""
        part = self.module.get_submodule(module)
        for weight in ("weight", "bias"):
            name, original = f"{module}.{weight}", getattr(part, weight, None)
            if not isinstance(original, Tensor):
                continue
            total: Tensor | None = None
            for step in steps:
                try:
                    total = step.applied(name, self._field_name(name), original, total)
                except ValueError:
                    yield name
            if total is not None:
                self._originals[name] = original.data
                if self.keeps_half and torch.equal(original.half().to(original.dtype), original):
                    total = total.half()
                self._set(name, total.to(original.dtype))

    def _set(self, name: str, tensor: Tensor) -> None:
        module, _, weight = name.rpartition(".")
        setattr(self.module.get_submodule(module), weight, nn.Parameter(tensor, requires_grad=False))

    def _module(self, name: str) -> str | None:
        if not self._modules:
            self._modules.update(self._names())
        prefix = next(prefix for prefix in self.prefixes if name.startswith(prefix))
        return self._modules.get(SEPARATORS.sub("_", name.removeprefix(prefix)))

    def _weighted(self) -> Sequence[str]:
        """Every module with weights."""
        return tuple(
            name
            for name, module in modules_in(self.module)
            if isinstance(getattr(module, "weight", None), Tensor)
        )

    def _field_name(self, name: str) -> str:
        """A weight's name in the field's layout; ours where that is not known."""
        if not self._field_names:
            self._field_names.update({ours: alias for alias, ours in self.aliases.items()})
        return renamed(name, self._field_names) or name

    def _names(self) -> Iterable[tuple[str, str]]:
        """Every module with weights, by each of its names; full stops and underscores count alike."""
        known: dict[str, list[str]] = {}
        for alias, ours in self.aliases.items():
            known.setdefault(ours, []).append(alias)
        for name, module in modules_in(self.module):
            if not isinstance(getattr(module, "weight", None), Tensor):
                continue
            yield SEPARATORS.sub("_", name), name
            for ours in _beginnings(name + "."):
                rest = (name + ".").removeprefix(ours)
                for alias in known.get(ours, ()):
                    yield SEPARATORS.sub("_", (alias + rest).rstrip(".")), name
            if name.endswith("to_out.0"):
                yield (
                    SEPARATORS.sub("_", name.removesuffix(".0")),
                    name,
                )  # as the first LoRA trainers called it


@dataclass(frozen=True, slots=True, eq=False)
class Patchers:
    """Several networks of one file, changed together: as `Patcher`."""

    parts: Sequence[Patcher]

    def put_on(self, patches: Sequence[Strong | Mixed]) -> None:
        """Change all of them. Raises as `Patcher.put_on`; nothing is on any of them then."""
        try:
            for part in self.parts:
                part.put_on(patches)
        except CheckpointUnknown:
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
    def unmatched(self) -> tuple[str, ...]:
        """Names in files that were meant for one of these networks, and which it does not have."""
        return tuple(name for part in self.parts for name in part.unmatched)


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One patch's part in a module's weights; `change` is what a file says of it."""

    patch: Strong | Mixed
    change: Change | None = None
    label: str = ""

    def applied(self, name: str, field_name: str, original: Tensor, total: Tensor | None) -> Tensor | None:
        if isinstance(self.patch, Mixed):
            return self.patch.applied(f"{self.label}:{name}", field_name, original, total)
        assert self.change is not None
        weight = name.rpartition(".")[2] == "weight"
        try:
            added = self.change.of_weight(original) if weight else self.change.of_bias(original)
        except ValueError as error:
            what = f"its change of {name.rpartition('.')[0]} does not fit ({error})"
            raise CheckpointUnknown(self.patch.file.path, "a LoRA for this model", what) from error
        if added is None:
            return total
        return (original.float() if total is None else total) + self.patch.strength * added


def _beginnings(name: str) -> Iterator[str]:
    """Nothing, and all that a name begins with up to a full stop."""
    yield ""
    for place, letter in enumerate(name, 1):
        if letter == ".":
            yield name[:place]


def _product(parts: Mapping[str, Tensor]) -> Tensor | None:
    """What a change adds at strength 1, in a shape of its own; None where it does not touch the weight."""
    if "whole" in parts:
        return parts["whole"]
    if "one_a" in parts:
        made = (parts["one_a"] @ parts["one_b"]) * (parts["two_a"] @ parts["two_b"])
        return made * _scale(parts, parts["one_b"].shape[0])
    if "up" not in parts:
        return None
    up, down = parts["up"], parts["down"]
    rank = down.shape[0]
    if "middle" in parts:
        made = torch.einsum("oa,abhw,bi->oihw", up.flatten(1), parts["middle"], down.flatten(1))
    else:
        made = up.flatten(1) @ down.flatten(1)
    return made * _scale(parts, rank)


def _scale(parts: Mapping[str, Tensor], rank: int) -> float:
    return float(parts["alpha"]) / rank if "alpha" in parts else 1.0


def _with_lengths(original: Tensor, added: Tensor, lengths: Tensor) -> Tensor:
    """The change whose result has rows of given lengths (Liu et al. 2024, arXiv:2402.09353, eq. 5)."""
    changed = original + added
    columns = lengths.numel() == original.shape[1] and lengths.shape[0] == 1
    axes = tuple(axis for axis in range(original.ndim) if axis != (1 if columns else 0))
    norms = changed.pow(2).sum(dim=axes, keepdim=True).sqrt() + torch.finfo(torch.float32).eps
    return changed * (lengths.reshape(norms.shape) / norms) - original
