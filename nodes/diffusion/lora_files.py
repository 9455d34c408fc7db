"""Files of changes: read, sorted by module, and told apart by the family of models that they are for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.lora_kinds import BESIDE, ENDINGS, added
from nodes.diffusion.lora_names import usual
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.models.numbers import finite

NOT_FINITE = "some of its numbers are not finite"
ENTRY = "img_in"  # of FLUX; files that replace its norms too make it read a second picture
ON_INPUT = ".on_input"  # stands beside (IA)3's numbers, whose own name would fit any weight
# Factors that were trained rank by rank (DyLoRA), each rank for itself: what they are called together, and their axis.
RANKS = re.compile(r"(.*)\.(lora_A|lora_B|down_list|up_list)\.(\d+)(?:\.weight)?")
TOGETHER = {"lora_A": ("down", 0), "down_list": ("down", 0), "lora_B": ("up", 1), "up_list": ("up", 1)}
SHAPE_SIZES = (2, 5)  # how many axes a weight may be said to have

# Words in names by which a family is told, and of U-Nets by how many features of a token their attention reads.
MARKS = (
    ("joint_blocks", "Stable Diffusion 3"),
    ("single_blocks", "FLUX or HunyuanVideo"),
    ("single_transformer_blocks", "FLUX"),
    ("transformer_blocks_0_img_m", "Qwen-Image"),
    ("transformer_blocks_0_add", "Qwen-Image"),
    ("self_attn_q", "Wan"),
    ("double_layers", "AuraFlow"),
)
CONTEXTS = {
    768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 1280: "the Stable Diffusion XL refiner",
    2048: "Stable Diffusion XL",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What a file says of one module: tensors by their part (`ENDINGS`)."""

    parts: Mapping[str, Tensor]

    def of_weight(self, weight: Tensor) -> Tensor | None:
        """What is added to a weight at strength 1, Float32 of its shape; None where only the bias changes.

        Args:
            weight: Float32, as earlier changes left it.

        Raises:
            ValueError: the tensors do not fit the weight or each other, or are not finite.
        """
        parts = {name: part.to(weight.device, torch.float32) for name, part in self.parts.items()}
        parts.pop("bias", None)
        if not all(finite(part) for part in parts.values()):
            raise ValueError(NOT_FINITE)
        try:
            return added(parts, weight)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, KeyError, IndexError) as error:
            raise ValueError(str(error)) from error

    def of_bias(self, bias: Tensor) -> Tensor | None:
        """What is added to a bias at strength 1; None where it stays. Errors as `of_weight`."""
        if "factors" in self.parts and self.parts["factors"].numel() == bias.numel():
            numbers = self.parts["factors"].to(bias.device, torch.float32)
            return bias * numbers.reshape(bias.shape) - bias if len(numbers) > 1 else None
        if "bias" not in self.parts:
            return None
        made = self.parts["bias"].to(bias.device, torch.float32)
        if not finite(made):
            raise ValueError(NOT_FINITE)
        if made.numel() != bias.numel():
            raise ValueError(f"its bias has {made.numel()} numbers, the model's {bias.numel()}")
        return made.reshape(bias.shape)

    @property
    def replaces(self) -> bool:
        """It stands in the place of the weight, however strong it is."""
        return "instead" in self.parts

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape to which a weight grows by zeros before it is changed; None: as it is."""
        said = self.parts.get("shape")
        if said is None or said.ndim != 1 or len(said) not in range(*SHAPE_SIZES):
            return None
        return tuple(int(size) for size in said)


@dataclass(frozen=True, eq=False)
class LoraFile:
    """A read file: a change for each module, by the module's name in it (any of the field's layouts)."""

    path: Path
    changes: Mapping[str, Change]

    @cached_property
    def family(self) -> str:
        """The family of models that it seems made for, by its names and shapes; empty where they do not tell."""
        for name, change in self.changes.items():
            flat = name.replace(".", "_")
            if flat.endswith(("attn2_to_k", "attn2_processor_to_k")) and "down" in change.parts:
                return CONTEXTS.get(change.parts["down"].shape[1], "")
        flats = [name.replace(".", "_") for name in self.changes]
        return next((family for mark, family in MARKS if any(mark in flat for flat in flats)), "")

    @property
    def strange(self) -> str:
        """What to say where none of its names is one of the model."""
        first = next(iter(self.changes))
        seems = f"seems made for {self.family}" if self.family else "is made for another kind of model"
        return f"{self.path.name} {seems}: none of its {len(self.changes)} changes fits this one ({first} first)."


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
    grouped = sorted_by_module(weights.tensors(weights.shapes))
    if not grouped:
        raise CheckpointUnknown(path, "a LoRA", "it holds no changes of weights that Weft knows")
    return LoraFile(path, grouped)


def sorted_by_module(stored: Mapping[str, Tensor]) -> dict[str, Change]:
    """The tensors of a file as changes, by the names of modules; what belongs to no change is left out."""
    grouped: dict[str, dict[str, Tensor]] = {}
    controls = False
    scaled = {name.removesuffix(ON_INPUT) for name in stored if name.endswith(ON_INPUT)}
    for name, tensor in _joined(stored).items():
        called = usual(name)
        ending = next((ending for ending in ENDINGS if called.endswith(ending)), None)
        if ending is None and name.removesuffix(".weight") in scaled:
            grouped.setdefault(called.removesuffix(".weight"), {})["more"] = tensor
        if ending is None:
            continue
        module, part = called.removesuffix(ending), ENDINGS[ending]
        if part == "instead_of_norm":
            module, part, controls = f"{module}_norm", "instead", True
        grouped.setdefault(module, {})[part] = tensor
    entry = grouped.get(ENTRY, {})
    if controls and {"up", "down"} <= entry.keys():
        entry.setdefault("shape", torch.tensor([len(entry["up"]), entry["down"].shape[1]]))
    return {module: Change(parts) for module, parts in grouped.items() if parts.keys() - BESIDE}


def _joined(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by name, where factors that are kept rank by rank are whole."""
    ranks: dict[tuple[str, str], dict[int, Tensor]] = {}
    found: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        match = RANKS.fullmatch(name)
        if match is None:
            found[name] = tensor
        else:
            ranks.setdefault((match[1], match[2]), {})[int(match[3])] = tensor
    for (module, kind), parts in ranks.items():
        part, axis = TOGETHER[kind]
        whole = torch.cat([parts[number] for number in sorted(parts)], axis)
        found[f"{module}.lora_{part}.weight"] = whole
    return found
