"""Recipes of guiders: what travels on a GUIDER wire. `guiders.guider` makes one work."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from nodes.diffusion.values import Conditioning, Model


@dataclass(frozen=True, slots=True, eq=False)
class BasicGuidance:
    """The positive conditions alone."""

    model: Model
    positive: Conditioning


@dataclass(frozen=True, slots=True, eq=False)
class CfgGuidance:
    """From negative toward positive; scale 1 leaves the negative side out."""

    model: Model
    positive: Conditioning
    negative: Conditioning
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class DualGuidance:
    """Two positive conditionings.

    Attributes:
        first_scale: from the second toward the first; second_scale: from the negative toward the second, or, nested,
            toward what the first two gave.
    """

    model: Model
    first: Conditioning
    second: Conditioning
    negative: Conditioning
    first_scale: float
    second_scale: float
    nested: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PerpNegGuidance:
    """From an empty prompt toward positive, away from what the negative prompt alone says.

    Attributes:
        negative_scale: how far away; 0 to not at all.
    """

    model: Model
    positive: Conditioning
    negative: Conditioning
    empty: Conditioning
    scale: float
    negative_scale: float = 1.0


@runtime_checkable
class OwnGuidance(Protocol):
    """A guider of somebody else's making."""

    @property
    def model(self) -> Model: ...

    def guider(self, network: object, controls: object) -> object:
        """The `Guider`, over the model's loaded network; `controls` finds those of control recipes."""
        ...


Guidance: TypeAlias = BasicGuidance | CfgGuidance | DualGuidance | PerpNegGuidance | OwnGuidance
