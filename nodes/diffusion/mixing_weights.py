"""Weights weighed and mixed: an attention multiplied, a model merged with another.

What a patch says of a weight goes by its name in the field's layout, such as `output_blocks.3.1.proj_in.weight`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from nodes.diffusion.values import Difference, Merge, WeightScale

NOT_MERGED = ("position_ids", "logit_scale")  # tables and temperatures, which are the same in all

Shares = tuple[float, float]  # of the weight itself, and of the other network's


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """Every weight times a number, plus another network's times a number.

    Attributes:
        shares: both numbers for a weight's name in the field's layout.
        other: the other network's weight, by our network's label, a colon and our name for it, or the original for itself;
            None: there is none.
        toward: how much of what the other's weight is beyond the original is added too; one that it lacks stays.
    """

    shares: Callable[[str], Shares]
    other: Callable[[str, Tensor], Tensor | None] = lambda _name, _original: None
    toward: float = 0.0

    def applied(self, name: str, field_name: str, original: Tensor, total: Tensor | None) -> Tensor | None:
        """The changed weight, float32; None where nothing has changed yet.

        Args:
            name: ours, behind its network's label and a colon; `field_name`: that of the field's layout.
            total: what earlier patches made of the original; None: nothing.

        Raises:
            ValueError: the other network's weight has another shape.
        """
        if self.toward:
            return self._moved(name, original, total)
        ours, theirs = self.shares(field_name)
        if (ours, theirs) == (1.0, 0.0):
            return total
        made = (original.float() if total is None else total) * ours
        if theirs == 0.0:
            return made
        other = self.other(name, original)
        if other is None:
            raise ValueError("it is not in the other model")
        if other.shape != original.shape:
            raise ValueError(f"it is {tuple(other.shape)} in the other model, not {tuple(original.shape)}")
        return made + theirs * other.to(original.device, torch.float32)

    def _moved(self, name: str, original: Tensor, total: Tensor | None) -> Tensor | None:
        other = self.other(name, original)
        if other is None or name.endswith(NOT_MERGED):
            return total
        if other.shape != original.shape:
            raise ValueError(f"it is {tuple(other.shape)} in the other model, not {tuple(original.shape)}")
        added = self.toward * (other.to(original.device, torch.float32) - original.float())
        return (original.float() if total is None else total) + added


def scaled(patch: WeightScale) -> Mixed:
    """The weights whose modules the patch names, times its numbers."""
    return Mixed(lambda name: (_factor(patch, name.rpartition(".")[0]), 0.0))


def moved(patch: Difference, weights: Mapping[str, Tensor]) -> Mixed:
    """What another network's weights, by our names, are beyond the original ones, at the patch's strength."""
    return Mixed(lambda _name: (1.0, 0.0), lambda name, _original: weights.get(name), patch.strength)


def merged(patch: Merge, weights: Mapping[str, Tensor] | None) -> Mixed:
    """A merge with the weights of the other network by our names; None: both networks are the same file."""

    def other(name: str, original: Tensor) -> Tensor | None:
        return original if weights is None else weights.get(name)

    return Mixed(lambda name: _shares(patch, name), other)


def _factor(patch: WeightScale, module: str) -> float:
    return next((factor for pattern, factor in patch.factors if fnmatchcase(module, pattern)), 1.0)


def _shares(patch: Merge, name: str) -> Shares:
    if name.endswith(NOT_MERGED):
        return 1.0, 0.0
    if not patch.blocks:
        return patch.ours, patch.theirs
    known = [block for block in patch.blocks if name.startswith(block[0])]
    ratio = max(known, key=lambda block: len(block[0]))[1] if known else patch.blocks[0][1]
    return ratio, 1.0 - ratio
