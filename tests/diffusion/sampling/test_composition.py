"""Conditions on areas and masks, one place at a time: what any mix of them gives is what the rules say of each place."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nodes.diffusion.values import Area, Cond
from tests.diffusion.sampling.test_guidance import cond, estimate

ROWS, COLUMNS = 16, 16
Place = tuple[int, int, int, int]  # first row and column, and those after the last


@st.composite
def areas(draw: st.DrawFn) -> Area:
    if draw(st.booleans()):
        top, left = (draw(st.sampled_from([0.0, 0.125, 0.3, 0.5])) for _ in range(2))
        return Area(draw(st.floats(0.01, 1.0)), draw(st.floats(0.01, 1.0)), top, left, relative=True)
    top, left = draw(st.integers(0, 15)), draw(st.integers(0, 15))
    return Area(draw(st.integers(1, 20)), draw(st.integers(1, 20)), top, left)


@dataclass(frozen=True)
class Said:
    """A condition in numbers; a mask is its side and what its pattern steps by."""

    value: float
    area: Area | None
    mask: tuple[int, int] | None
    mask_strength: float
    strength: float | None

    @property
    def cond(self) -> Cond:
        mask = None
        if self.mask is not None:
            side, step = self.mask
            mask = (torch.arange(side * side) * step % 11 / 10).reshape(1, side, side)
        more = {"area": self.area, "strength": self.strength}
        return cond(self.value, mask=mask, mask_strength=self.mask_strength, **more)


conds = st.builds(
    Said,
    st.floats(-2.0, 2.0),
    st.none() | areas(),
    st.none() | st.tuples(st.sampled_from([8, 16, 64]), st.integers(1, 50)),
    st.sampled_from([0.5, 1.0]),
    st.none() | st.floats(0.1, 3.0),
)


def place_of(one: Cond) -> Place:
    if one.area is None:
        return 0, 0, ROWS, COLUMNS
    area, tall, wide = one.area, (ROWS if one.area.relative else 1), (COLUMNS if one.area.relative else 1)
    top, left = round(area.y * tall), round(area.x * wide)
    bottom = min(ROWS, top + max(1, round(area.height * tall)))
    return top, left, bottom, min(COLUMNS, left + max(1, round(area.width * wide)))


def weights_of(one: Cond) -> Tensor:
    """How much a condition counts at each place."""
    top, left, bottom, right = place_of(one)
    rows, columns = torch.arange(ROWS)[:, None], torch.arange(COLUMNS)[None]
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    counts = inside * (1.0 if one.strength is None else one.strength)
    if one.mask is not None:
        mask = F.interpolate(one.mask[None], (ROWS, COLUMNS), mode="bilinear")[0, 0]
        return counts * mask * one.mask_strength
    if one.area is not None:
        for first, last, end, here in ((top, bottom, ROWS, rows), (left, right, COLUMNS, columns)):
            wide = min(8, (last - first) // 4)
            for from_side, inner in ((here - first, first > 0), (last - 1 - here, last < end)):
                if inner and wide:
                    counts = counts * ((from_side + 1) / wide).clamp(0.0, 1.0)
    return counts


def with_matches(side: Sequence[Cond], others: Sequence[Cond]) -> list[tuple[Cond, float]]:
    """A side's conditions and what each says; with one more for each area that only the other side has."""
    made = [(one, float(one.context[0, 0, 0])) for one in side]
    for other in others:
        top, left, bottom, right = wanted = place_of(other)
        around = [
            (place_of(one), said)
            for one, said in made
            if (at := place_of(one))[0] <= top and at[1] <= left and at[2] >= bottom and at[3] >= right
        ]
        if other.area is not None and around and wanted not in [place for place, _ in around]:
            _, said = min(around, key=lambda each: (each[0][2] - each[0][0]) * (each[0][3] - each[0][1]))
            made.append((other, said))
    return made


def expected(side: Sequence[Cond], others: Sequence[Cond]) -> Tensor:
    matched = [(weights_of(one), said) for one, said in with_matches(side, others)]
    whole = torch.stack([weights for weights, _ in matched]).sum(0)
    parts = torch.stack([weights * said for weights, said in matched]).sum(0)
    return torch.where(whole > 0.0, parts / whole, 0.0)


@settings(max_examples=15, deadline=None)
@given(plus=st.lists(conds, min_size=1, max_size=4), minus=st.lists(conds, min_size=1, max_size=3))
def test_each_place_says_what_its_conditions_say_weighed(plus: list[Said], minus: list[Said]):
    positive, negative = [each.cond for each in plus], [each.cond for each in minus]
    made = estimate(*positive, negative=tuple(negative), scale=2.5)[0, 0]
    toward, away = expected(positive, negative), expected(negative, positive)
    assert torch.allclose(made, away + 2.5 * (toward - away), atol=2e-3)
