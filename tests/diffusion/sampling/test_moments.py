"""Samplers with noise: what they draw has the moments of the data, which here is a Gaussian."""

import pytest
import torch

from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import start_noise, step_noise
from nodes.diffusion.noise_levels import FlowLevels
from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.sampler import Noise, SamplerSetting
from nodes.diffusion.sampling.stochastic import lcm
from tests.diffusion.sampling.gaussian import Gaussian, falling

SHAPE = (1, 4, 48, 48)
STEPS = 40
MORE_STEPS = 200
FIRST_ORDER = {"ddpm", "euler_ancestral", "euler_ancestral_cfg_pp"}
CONSISTENCY = {"lcm"}  # its variance holds for a consistency model, not for a mean of what may be
SHRINKING = {"dpmpp_2s_ancestral_cfg_pp"}  # by a rule of the field's, which known answers hold us to
NOISY = sorted(
    name
    for name, row in SAMPLERS.items()
    if row.noise is not Noise.NONE
    and not row.noisy_if
    and name not in CONSISTENCY | SHRINKING
    and not name.endswith("_gpu")
)
ANY_MIXING = sorted(name for name in NOISY if SAMPLERS[name].mixed)


def drawn(name: str, gaussian: Gaussian, high: float) -> torch.Tensor:
    sigmas = falling(high, 0.02, MORE_STEPS if name in FIRST_ORDER else STEPS).float()
    start = gaussian.noisy(start_noise(SHAPE, 1), sigmas[0])
    setting = SamplerSetting(5, gaussian.mixing, FlowLevels())
    *_, last = SAMPLERS[name].steps(gaussian, start, sigmas, setting)
    return last.latents


@pytest.mark.parametrize("name", NOISY)
def test_the_moments_are_those_of_the_data(name: str):
    values = drawn(name, Gaussian(), 10.0)
    assert float(values.mean()) == pytest.approx(0.7, abs=0.03)
    assert float(values.std()) == pytest.approx(0.5, rel=0.06)


@pytest.mark.parametrize("name", ANY_MIXING)
def test_the_moments_hold_where_noise_is_traded(name: str):
    values = drawn(name, Gaussian(mixing=Mixing.TRADED), 0.98)
    assert float(values.mean()) == pytest.approx(0.7, abs=0.03)
    assert float(values.std()) == pytest.approx(0.5, rel=0.06)


def test_a_consistency_step_holds_just_the_noise_of_its_level():
    sigmas = falling(10.0, 0.5, 6).float()
    start = start_noise(SHAPE, 1) * 10
    for step in lcm(Gaussian(), start, sigmas, step_noise(start, 2), Mixing.ADDED):
        noise = (step.latents - step.denoised) / sigmas[step.index + 1]
        assert float(noise.std()) == pytest.approx(1.0, rel=0.03)
