"""Guidance: which conditions count where, when and how much, and how many calls of the network that takes."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import (
    NO_INPUTS,
    ControlNetwork,
    LatentFormat,
    Network,
    NetworkInputs,
    Parametrisation,
    Residuals,
)
from nodes.diffusion.guidance import Guided, with_lent_controls
from nodes.diffusion.hints import fitted_hint
from nodes.diffusion.noise_levels import NoiseLevels, from_betas, scaled_linear_betas
from nodes.diffusion.values import Area, CheckpointRef, Cond, ControlNet, ControlUse, Span

SIGMA = from_betas(scaled_linear_betas()).sigmas[500]
ZERO = torch.zeros(1, 4, 16, 16)


@dataclass
class Echo:
    """Its denoised estimate is the mean of the context (and of residuals); counts its calls."""

    levels: NoiseLevels = field(default_factory=lambda: from_betas(scaled_linear_betas()))
    parametrisation: Parametrisation = Parametrisation.EPS
    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(scale=1.0))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    batches: list[int] = field(default_factory=list)

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
        self.batches.append(len(latents))
        sigma = self.levels.sigma(timestep).view(-1, 1, 1, 1)
        wanted = context.mean(dim=(1, 2)).view(-1, 1, 1, 1)
        if residuals is not None:
            wanted = wanted + residuals.middle.mean()
        return (latents * (sigma**2 + 1) ** 0.5 - wanted) / sigma


class Adding:
    """A control network whose residuals are the hint's mean."""

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        return fitted_hint(use.hint, width * form.pixels, height * form.pixels)

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,
    ) -> Residuals:
        return Residuals([hint.mean() * torch.ones(1)], hint.mean() * torch.ones(1))


def cond(value: float, tokens: int = 3, **more: object) -> Cond:
    return Cond(torch.full((1, tokens, 2), value), **more)


def control(brightness: float = 0.5, **more: object) -> ControlUse:
    net = ControlNet(CheckpointRef(Path("net.safetensors"), "abc"))
    return ControlUse(net, torch.full((1, 8, 8, 3), brightness), **more)


def estimate(
    *positive: Cond, negative: tuple[Cond, ...] = (), scale: float = 1.0, latents: Tensor = ZERO
) -> Tensor:
    return Guided(Echo(), positive, negative, scale, controls=lambda *_: Adding())(latents, SIGMA)


def test_the_fakes_are_what_they_stand_for():
    assert isinstance(Echo(), Network)
    assert isinstance(Adding(), ControlNetwork)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.5, 8.0])
def test_guidance_goes_from_negative_toward_positive(scale: float):
    made = estimate(cond(0.5), negative=(cond(-0.25),), scale=scale)
    assert torch.allclose(made, torch.tensor(-0.25 + 0.75 * scale), atol=1e-4)


def test_a_scale_of_one_never_asks_the_negative_side():
    network = Echo()
    Guided(network, (cond(0.5),), (cond(-0.25),), 1.0)(ZERO, SIGMA)
    assert network.batches == [1]


def test_both_sides_go_through_the_network_together():
    network = Echo()
    Guided(network, (cond(0.5),), (cond(-0.25),), 3.0)(torch.zeros(2, 4, 16, 16), SIGMA)
    assert network.batches == [4]


@given(tokens=st.integers(1, 12), others=st.integers(1, 12))
def test_contexts_of_other_lengths_give_the_same_answer(tokens: int, others: int):
    made = estimate(cond(0.5, tokens), negative=(cond(-0.25, others),), scale=2.0)
    assert torch.allclose(made, torch.tensor(1.25), atol=1e-4)


@given(strengths=st.lists(st.floats(0.1, 10), min_size=1, max_size=4))
def test_combined_conditions_are_averaged_by_strength(strengths: list[float]):
    conds = [cond(float(number), strength=strength) for number, strength in enumerate(strengths)]
    expected = sum(number * strength for number, strength in enumerate(strengths)) / sum(strengths)
    assert torch.allclose(estimate(*conds), torch.tensor(expected), atol=1e-3)


def test_a_mask_says_where_a_condition_counts():
    left = torch.zeros(1, 16, 16)
    left[..., :8] = 1.0
    made = estimate(cond(1.0, mask=left), cond(3.0, mask=1 - left))
    assert torch.allclose(made[..., :7], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(made[..., 9:], torch.tensor(3.0), atol=1e-4)


@pytest.mark.parametrize("area", [Area(8, 16, 8, 0), Area(0.5, 1.0, 0.5, 0.0, relative=True)])
def test_an_area_counts_inside_and_fades_at_its_inner_side(area: Area):
    made = estimate(cond(1.0), cond(3.0, area=area))
    assert torch.allclose(made[..., :8, :], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(made[..., 12:, :], torch.tensor(2.0), atol=1e-4)
    assert 1.0 < float(made[0, 0, 8, 0]) < 2.0


def test_an_area_is_guided_from_the_negative_that_holds_it():
    made = estimate(cond(1.0), cond(3.0, area=Area(8, 16, 8, 0)), negative=(cond(0.0),), scale=2.0)
    assert torch.allclose(made[..., :8, :], torch.tensor(2.0), atol=1e-4)
    assert torch.allclose(made[..., 12:, :], torch.tensor(4.0), atol=1e-4)


def test_a_condition_counts_only_in_its_share_of_the_run():
    early, late = cond(1.0, span=Span(0.0, 0.4)), cond(3.0, span=Span(0.4, 1.0))
    guided = Guided(Echo(), (early, late), (), 1.0)
    high, low = guided.network.levels.at_percent(0.2), guided.network.levels.at_percent(0.8)
    assert torch.allclose(guided(ZERO, torch.tensor(high)), torch.tensor(1.0), atol=0.1)
    assert torch.allclose(guided(ZERO, torch.tensor(low)), torch.tensor(3.0), atol=0.1)


def test_without_any_active_condition_the_estimate_is_zero_not_nan():
    assert torch.equal(estimate(cond(1.0, span=Span(0.99, 1.0))), ZERO)


def test_controls_add_up_by_strength_and_keep_to_their_share():
    one, other = control(0.5, strength=2.0), control(0.25, strength=1.0)
    late = control(1.0, start_percent=0.99)
    made = estimate(cond(0.0, controls=(one, other, late)))
    assert torch.allclose(made, torch.tensor(1.25), atol=1e-4)


def test_a_control_lent_by_the_positive_side_steers_the_negative_one():
    lent = cond(0.0, controls=(control(0.5, also_negative=True),))
    own = cond(0.0, controls=(control(0.1),))
    bare, kept = with_lent_controls((cond(0.0), own), (lent,))
    assert bare.controls == lent.controls
    assert kept.controls == own.controls
    kept_bare = with_lent_controls((cond(0.0),), (cond(0.0, controls=(control(0.5),)),))
    assert kept_bare[0].controls == ()


@given(height=st.integers(8, 40), width=st.integers(8, 40))
def test_a_hint_is_cut_around_its_middle_to_the_aspect_of_the_picture(height: int, width: int):
    made = fitted_hint(torch.rand(1, height, width, 3), 16, 24)
    assert made.shape == (1, 3, 24, 16)
