"""Samplers without noise: how their error shrinks with the step, on a Gaussian whose flow is known."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise_levels import FlowLevels
from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.dpm_solver import dpm_adaptive
from nodes.diffusion.sampling.dpmpp import dpmpp_2m, dpmpp_2s_ancestral
from nodes.diffusion.sampling.dpmpp_sde import dpmpp_2m_sde
from nodes.diffusion.sampling.euler import euler, euler_ancestral
from nodes.diffusion.sampling.multistep import lagrange_weights
from nodes.diffusion.sampling.sampler import SamplerSetting
from nodes.diffusion.sampling.second_order import dpm_2, dpm_2_ancestral
from tests.diffusion.sampling.gaussian import Gaussian, falling

ORDERS = {name: row.order for name, row in SAMPLERS.items() if row.order}
ANY_SETTING = SamplerSetting(0, Mixing.ADDED, FlowLevels())


def error(sampler: str, steps: int) -> float:
    gaussian, sigmas = Gaussian(), falling(10.0, 0.1, steps)
    noise = torch.tensor([[[[-1.5, -0.2, 0.4, 1.1]]]], dtype=torch.float64)
    start = gaussian.noisy(noise, sigmas[0])
    *_, last = SAMPLERS[sampler].steps(gaussian, start, sigmas, ANY_SETTING)
    return float((last.latents - gaussian.noisy(noise, sigmas[-1])).abs().max())


@pytest.mark.parametrize(("sampler", "order"), ORDERS.items())
def test_halving_the_step_divides_the_error_by_two_to_the_order(sampler: str, order: int):
    assert math.log2(error(sampler, 64) / error(sampler, 128)) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize("sampler", ["lms", "ipndm_v", "deis"])
def test_where_first_steps_hide_the_order_it_is_above_the_second(sampler: str):
    assert math.log2(error(sampler, 64) / error(sampler, 128)) > 2.5


def test_a_narrower_bound_makes_the_adaptive_solver_more_exact():
    gaussian, sigmas = Gaussian(), falling(10.0, 0.1, 4)
    noise = torch.tensor([[[[-1.5, 0.4]]]], dtype=torch.float64)
    off = []
    for bound in (0.05, 5e-4, 5e-6):
        *_, last = dpm_adaptive(
            gaussian, gaussian.noisy(noise, sigmas[0]), sigmas, rtol=bound, atol=bound / 6
        )
        off.append(float((last.latents - gaussian.noisy(noise, sigmas[-1])).abs().max()))
    assert off[0] > 3 * off[1] > 9 * off[2]


def no_noise(latents: torch.Tensor, _sigma: float, _following: float) -> torch.Tensor:
    return torch.zeros_like(latents)


@pytest.mark.parametrize(
    ("noisy", "plain"), [(euler_ancestral, euler), (dpm_2_ancestral, dpm_2), (dpmpp_2m_sde, dpmpp_2m)]
)
def test_without_renewed_noise_an_ancestral_sampler_is_the_plain_one(noisy: Callable, plain: Callable):
    start = torch.randn(1, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 10
    sigmas = torch.cat((falling(10.0, 0.1, 8), torch.zeros(1, dtype=torch.float64)))
    renewed = list(noisy(Gaussian(), start, sigmas, no_noise, Mixing.ADDED, eta=0.0))
    for one, other in zip(renewed, plain(Gaussian(), start, sigmas), strict=True):
        assert torch.allclose(one.latents, other.latents, atol=1e-12)


@pytest.mark.parametrize("mixing", list(Mixing))
def test_a_two_stage_step_is_of_second_order_however_noise_is_mixed(mixing: Mixing):
    noise = torch.tensor([[[[-1.5, 0.4]]]], dtype=torch.float64)
    gaussian = Gaussian(mixing=mixing)

    def off(steps: int) -> float:
        sigmas = falling(0.9, 0.1, steps)
        start = gaussian.noisy(noise, sigmas[0])
        *_, last = dpmpp_2s_ancestral(gaussian, start, sigmas, no_noise, mixing, eta=0.0)
        return float((last.latents - gaussian.noisy(noise, sigmas[-1])).abs().max())

    assert math.log2(off(32) / off(64)) == pytest.approx(2, abs=0.2)


@given(
    places=st.lists(st.integers(1, 60), min_size=1, max_size=5, unique=True).map(sorted).map(list),
    coefficients=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
)
def test_multistep_weights_are_exact_for_polynomials_of_their_order(
    places: list[int], coefficients: list[float]
):
    following, *past = [place / 10 for place in places] if len(places) > 1 else [0.1, 0.2]
    terms = coefficients[: len(past)]

    def slope(sigma: float) -> float:
        return sum(factor * sigma**power for power, factor in enumerate(terms))

    def area(sigma: float) -> float:
        return sum(factor * sigma ** (power + 1) / (power + 1) for power, factor in enumerate(terms))

    levels = torch.tensor([following, *past], dtype=torch.float64)
    weights = lagrange_weights(list(levels[1:]), levels[0])
    assert sum(weight * slope(place) for weight, place in zip(weights, past, strict=True)) == pytest.approx(
        area(following) - area(past[0]), rel=1e-6, abs=1e-6
    )
