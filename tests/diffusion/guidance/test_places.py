"""Guiders of two and three sides where conditions count in places, by masks, or for a share of the run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Residuals
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import CfgGuidance, DualGuidance, PerpNegGuidance, again, guider
from nodes.diffusion.values import Area, CheckpointRef, Cond, Conditioning, Model, Span
from tests.diffusion.guidance.steered import SIGMA, Given, drawn

MODEL = Model(CheckpointRef(Path("model.safetensors"), "abc"))
HIGH, WIDE = 8, 32
NOISY = drawn(0, (2, 4, HIGH, WIDE))
LEFT = Area(HIGH, 16, 0, 0)


@dataclass
class Local(Given):
    """Denoises every place to the number that the context says; notes which number was asked how wide, and its roles."""

    wide: list[tuple[float, int]] = field(default_factory=list)
    roles: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        said = context[:, 0, 0].view(-1, *[1] * (latents.ndim - 1))
        self.wide += sorted({(float(number), latents.shape[-1]) for number in said.flatten()})
        self.roles.append(inputs.sides)
        self.changes.append(changes)
        return (latents * (self.sigma**2 + 1) ** 0.5 - said) / self.sigma


def cond(number: float, **told: object) -> Cond:
    return Cond(torch.full((1, 1, 1), number), **told)  # type: ignore[arg-type]


def columns(values: Sequence[float]) -> Tensor:
    return torch.tensor(values).expand(2, 4, HIGH, WIDE)


def side(conditioning: Conditioning, weights: Sequence[Sequence[float]]) -> Tensor:
    """The average of a side's numbers by weight, in each column."""
    total, sums = torch.zeros(WIDE), torch.zeros(WIDE)
    for each, weight in zip(conditioning, weights, strict=True):
        total += float(each.context[0, 0, 0]) * torch.tensor(weight)
        sums += torch.tensor(weight)
    return columns((total / sums).tolist())


EVEN = [1.0] * WIDE
FALLING = [1.0] * 12 + [1.0, 0.75, 0.5, 0.25] + [0.0] * 16  # a quarter of 16, at the side that is no border
MASK = torch.zeros(HIGH, WIDE)
MASK[:, 24:] = 0.5
MASKED = [0.0] * 24 + [0.5 * 3.0 * 2.0] * 8  # mask, its strength, the condition's
FIRST = (cond(2.0), cond(6.0, area=LEFT))
SECOND = (cond(3.0), cond(-1.0, mask=MASK[None], mask_strength=3.0, strength=2.0))
AWAY = (cond(1.0), cond(9.0, span=Span(0.9, 1.0)))  # not yet
ONE, TWO, THREE = side(FIRST, [EVEN, FALLING]), side(SECOND, [EVEN, MASKED]), side(AWAY[:1], [EVEN])


def made(recipe: CfgGuidance | DualGuidance | PerpNegGuidance) -> tuple[Tensor, Local]:
    network = Local()
    return guider(recipe, network)(NOISY, SIGMA), network


@pytest.mark.parametrize("nested", [False, True])
def test_dual_guidance_joins_sides_with_areas_masks_and_ranges_place_by_place(nested: bool):
    guided, network = made(DualGuidance(MODEL, FIRST, SECOND, AWAY, 2.0, 3.0, nested=nested))
    inner = TWO + (ONE - TWO) * 2.0
    regular = THREE + (TWO - THREE) * 3.0 + (ONE - TWO) * 2.0
    wanted = THREE + (inner - THREE) * 3.0 if nested else regular
    assert torch.allclose(guided, wanted, atol=1e-4)
    # the rectangle of one side is asked of the others too, with what they say there
    assert {(6.0, 16), (3.0, 16), (1.0, 16)} <= {*network.wide}
    assert not {(9.0, WIDE), (9.0, 16)} & {*network.wide}
    assert {*sum(network.roles, ())} == {0, 1}  # both positive ones are positive


def test_perp_neg_joins_sides_with_areas_masks_and_ranges_place_by_place():
    guided, network = made(PerpNegGuidance(MODEL, FIRST, SECOND, AWAY, 2.0, 0.5))
    toward, away = ONE - THREE, TWO - THREE
    across = away - (away * toward).sum() / (toward**2).sum() * toward
    assert torch.allclose(guided, THREE + 2.0 * (toward - 0.5 * across), atol=1e-4)
    assert {(6.0, 16), (3.0, 16), (1.0, 16)} <= {*network.wide}


def test_perp_neg_without_its_negative_side_asks_no_more_than_it_needs():
    guided, network = made(PerpNegGuidance(MODEL, FIRST[:1], SECOND, AWAY[:1], 2.0, 0.0))
    assert torch.allclose(guided, columns([1.0 + 2.0 * (2.0 - 1.0)] * WIDE), atol=1e-4)
    assert {number for number, _ in network.wide} == {1.0, 2.0}
    guided, network = made(PerpNegGuidance(MODEL, FIRST[:1], SECOND, AWAY[:1], 1.0, 0.0))
    assert torch.allclose(guided, columns([2.0] * WIDE), atol=1e-4)
    assert {number for number, _ in network.wide} == {2.0}


def test_perp_neg_from_the_positive_prompt_itself_is_that_prompt():
    guided, _ = made(PerpNegGuidance(MODEL, FIRST[:1], AWAY[:1], FIRST[:1], 4.0))
    assert bool(guided.isfinite().all())


def test_a_side_asked_once_more_is_asked_in_the_same_places():
    """What a rule compares with the positive side is asked of the rectangles that the negative one named, too."""
    model = MODEL.ruled(again.PerturbedAttention(2.0))
    negative = (cond(1.0), cond(0.5, area=LEFT))
    guided, network = made(CfgGuidance(model, (cond(2.0),), negative, 1.0))
    assert torch.equal(guided, columns([2.0] * WIDE)) or torch.allclose(
        guided, columns([2.0] * WIDE), atol=1e-4
    )
    assert network.wide.count((2.0, 16)) == 2


def test_frames_are_weighed_alike():
    """Latents with an axis of time, several in a batch: areas and masks count the same in every frame."""
    frames = drawn(1, (2, 4, 3, HIGH, WIDE))
    guided = guider(CfgGuidance(MODEL, FIRST, SECOND, 2.0), Local())(frames, SIGMA)
    wanted = TWO + (ONE - TWO) * 2.0
    assert torch.allclose(guided, wanted[:, :, None].expand_as(frames), atol=1e-4)


def test_an_area_outside_the_picture_is_an_error_that_says_where_it_is():
    outside = (cond(1.0, area=Area(8, 8, 0, WIDE)),)
    with pytest.raises(DiffusionError, match=f"begins {WIDE} latents from the left and 0.*{WIDE} x {HIGH}"):
        made(CfgGuidance(MODEL, outside, AWAY, 2.0))


@dataclass
class Joint(Local):
    """Attends over text and picture together."""

    joins_text: bool = True


@pytest.mark.parametrize("network", [Local(), Joint()], ids=["reads text", "joins text"])
def test_texts_of_other_lengths_are_repeated_only_for_networks_that_read_them_apart(network: Local):
    longer = Cond(torch.full((1, 2, 1), 1.0))
    guided = guider(CfgGuidance(MODEL, (cond(2.0),), (longer,), 2.0), network)
    assert torch.allclose(guided(NOISY, SIGMA), columns([3.0] * WIDE), atol=1e-4)
    assert network.roles == ([(1,), (0,)] if isinstance(network, Joint) else [(1, 0)])
