"""Blending: two colours to one, by mode, and layers with transparency.

Sources: W3C, "Compositing and Blending Level 1", section 9 (the separable modes); Porter and Duff 1984, "Compositing
digital images" (the operators; colours here are premultiplied by their alpha).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

VISIBLE = 1e-5  # less alpha than this has no colour

Pair = tuple[Tensor, Tensor]


def _normal(below: Tensor, above: Tensor) -> Tensor:
    del below
    return above


def _soft_light(below: Tensor, above: Tensor) -> Tensor:
    lifted = torch.where(below <= 0.25, ((16 * below - 12) * below + 4) * below, below.sqrt())
    darker = below - (1 - 2 * above) * below * (1 - below)
    return torch.where(above <= 0.5, darker, below + (2 * above - 1) * (lifted - below))


MODES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "normal": _normal,
        "multiply": lambda below, above: below * above,
        "screen": lambda below, above: 1 - (1 - below) * (1 - above),
        "overlay": lambda below, above: torch.where(
            below <= 0.5, 2 * below * above, 1 - 2 * (1 - below) * (1 - above)
        ),
        "soft_light": _soft_light,
        "difference": lambda below, above: below - above,
    }
)


def blended(below: Tensor, above: Tensor, mode: str, factor: float) -> Tensor:
    """Colours of 0..1 with so much of their blend with others; the result is cut to 0..1."""
    return (below * (1 - factor) + MODES[mode](below, above) * factor).clamp(0, 1)


@dataclass(frozen=True, slots=True)
class Layers:
    """Source and destination, in the letters of the paper: premultiplied colours s and d, their alphas a and b."""

    s: Tensor
    a: Tensor
    d: Tensor
    b: Tensor

    @property
    def apart(self) -> Tensor:
        """What shows where only one of them is."""
        return (1 - self.b) * self.s + (1 - self.a) * self.d

    @property
    def union(self) -> Tensor:
        """How much either covers."""
        return self.a + self.b - self.a * self.b


def _overlay(both: Layers) -> Pair:
    dark = 2 * both.s * both.d
    light = both.a * both.b - 2 * (both.b - both.s) * (both.a - both.d)
    return torch.where(2 * both.d < both.b, dark, light), both.union


OPERATORS: Mapping[str, Callable[[Layers], Pair]] = MappingProxyType(
    {
        "ADD": lambda x: ((x.s + x.d).clamp(0, 1), (x.a + x.b).clamp(0, 1)),
        "CLEAR": lambda x: (torch.zeros_like(x.d), torch.zeros_like(x.b)),
        "DARKEN": lambda x: (x.apart + torch.minimum(x.s, x.d), x.union),
        "DST": lambda x: (x.d, x.b),
        "DST_ATOP": lambda x: (x.a * x.d + (1 - x.b) * x.s, x.a),
        "DST_IN": lambda x: (x.d * x.a, x.a * x.b),
        "DST_OUT": lambda x: ((1 - x.a) * x.d, (1 - x.a) * x.b),
        "DST_OVER": lambda x: (x.d + (1 - x.b) * x.s, x.b + (1 - x.b) * x.a),
        "LIGHTEN": lambda x: (x.apart + torch.maximum(x.s, x.d), x.union),
        "MULTIPLY": lambda x: (x.s * x.d, x.a * x.b),
        "OVERLAY": _overlay,
        "SCREEN": lambda x: (x.s + x.d - x.s * x.d, x.union),
        "SRC": lambda x: (x.s, x.a),
        "SRC_ATOP": lambda x: (x.b * x.s + (1 - x.a) * x.d, x.b),
        "SRC_IN": lambda x: (x.s * x.b, x.a * x.b),
        "SRC_OUT": lambda x: ((1 - x.b) * x.s, (1 - x.b) * x.a),
        "SRC_OVER": lambda x: (x.s + (1 - x.a) * x.d, x.a + (1 - x.a) * x.b),
        "XOR": lambda x: (x.apart, (1 - x.b) * x.a + (1 - x.a) * x.b),
    }
)


def composited(source: Tensor, source_alpha: Tensor, onto: Tensor, alpha: Tensor, operator: str) -> Pair:
    """Two layers as one: its colours, not premultiplied, and its alpha.

    Args:
        source, onto: colours in 0..1, not premultiplied, [batch height width channel].
        source_alpha, alpha: how opaque they are in 0..1, [batch height width 1].
    """
    colour, opaque = OPERATORS[operator](Layers(source * source_alpha, source_alpha, onto * alpha, alpha))
    return torch.where(opaque > VISIBLE, colour / opaque, 0.0).clamp(0, 1), opaque
