"""Changes of weights in packs' forms: what `add_patches` is given, as a LoRA in memory, and what it makes of a tensor."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.keys import key
from nodes.diffusion.lora_files import Change
from nodes.diffusion.lora_kinds import ENDINGS
from nodes.diffusion.values import LoraTensors, TensorPatch

ENDING_OF = {part: ending for ending, part in reversed(ENDINGS.items())}
BIAS, WEIGHT = ".bias", ".weight"
INSIDE_TEXT = ".transformer."  # stands in names of a text encoder's weights, after which of them it is


class Adapter:
    """A low-rank change, or another kind that stands in a small file, of one weight."""

    name = "lora"

    def __init__(self, change: Change) -> None:
        self.change = change

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """The tensors that it is made of."""
        return tuple(self.change.parts.values())

    def calculate_weight(self, weight: Tensor, strength: float) -> Tensor:
        """A weight with it on, at a strength."""
        added = self.change.of_weight(weight.float())
        return weight if added is None else weight + (strength * added.reshape(weight.shape)).to(weight)


def patch_of(patches: Mapping[str, Any], strength: float) -> TensorPatch:
    """What `add_patches` was given for whole weights, as a patch of a recipe.

    Raises:
        NotImplementedError: a form that Weft has no kind of change for.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in patches.items():
        tensors |= _stored(name, value)
    return TensorPatch(lora_of(tensors), strength)


def lora_of(tensors: Mapping[str, Any]) -> LoraTensors:
    """A LoRA in memory."""
    kept = {name: tensor for name, tensor in tensors.items() if isinstance(tensor, Tensor)}
    return LoraTensors(key(kept), kept)


def _stored(name: str, value: Any) -> dict[str, Tensor]:
    """The tensors of a change, named as a file would."""
    module = name.removesuffix(WEIGHT).removesuffix(BIAS)
    if INSIDE_TEXT in module:
        module = f"text_encoders.{module}"
    if isinstance(value, Adapter):
        return {module + ENDING_OF[part]: tensor for part, tensor in value.change.parts.items()}
    kind, tensor = told(value)
    if kind == "set":
        return {f"{module}.set_weight": tensor}
    return {f"{module}.diff_b" if name.endswith(BIAS) else f"{module}.diff": tensor}


def told(value: Any) -> tuple[str, Tensor]:
    """The kind of a change of one tensor, and the tensor: `(t,)`, `("diff", (t,))` or `("set", (t,))`."""
    if isinstance(value, Sequence) and len(value) == 1 and isinstance(value[0], Tensor):
        return "diff", value[0]
    if isinstance(value, Sequence) and len(value) == 2 and value[0] in ("diff", "set"):
        return str(value[0]), value[1][0]
    raise NotImplementedError(f"Weft knows no change of weights of the form {type(value).__name__}.")


def calculated(patches: Iterable[Sequence[Any]], weight: Tensor, dtype: torch.dtype) -> Tensor:
    """A weight with changes on it: each a strength, a value, the weight's own strength, a part of it and a function."""
    made = weight.to(dtype)
    for patch in patches:
        strength, value, own, offset, function = list(patch) + [None] * (5 - len(patch))
        whole = made
        if offset is not None:
            made = made.narrow(*offset)
        if own is not None and own != 1.0:
            made = made * own
        shape = function or (lambda tensor: tensor)
        if isinstance(value, list):
            first, *others = value
            other = calculated(others, first[1](first[0].clone()), dtype)
            made = made + strength * shape(other.to(made))
        elif isinstance(value, Adapter):
            made = made + shape(value.calculate_weight(made, strength) - made)
        else:
            kind, tensor = told(value)
            made = tensor.to(made) if kind == "set" else made + strength * shape(tensor.to(made))
        if offset is not None:
            whole = whole.clone()
            whole.narrow(*offset).copy_(made)
            made = whole
    return made
