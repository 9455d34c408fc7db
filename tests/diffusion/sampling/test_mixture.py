"""Samplers on a mixture whose score is known: the order of those without noise, the distribution that the others draw."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import start_noise
from nodes.diffusion.noise_levels import FlowLevels
from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.choice import Option
from nodes.diffusion.sampling.sampler import Noise, SamplerSetting
from tests.diffusion.sampling.gaussian import falling
from tests.diffusion.sampling.mixture import Mixture

POINTS = torch.tensor([[[[-1.5, -0.6, -0.2, 0.4, 1.1]]]], dtype=torch.float64)
HIGH = {Mixing.ADDED: 10.0, Mixing.TRADED: 0.9}
STEPS = 65  # and twice as many and one: `dpm_fast` then has steps of orders 3 and 2 alone
# Rows whose order the table leaves open: CFG++ with a negative side that says the same; third-order steps.
OPEN = {
    "euler_cfg_pp": 1,
    "gradient_estimation_cfg_pp": 1,
    "dpmpp_2m_cfg_pp": 2,
    "res_multistep_cfg_pp": 2,
    "dpm_fast": 3,
}
MULTISTEP = ("lms", "ipndm_v", "deis")  # a first step of first order bounds the whole to the second
NOISELESS = {name: row.order for name, row in SAMPLERS.items() if row.climbs({})} | OPEN


def end(name: str, steps: int, mixing: Mixing, options: Mapping[str, Option] | None = None) -> Tensor:
    mixture, sigmas = Mixture(mixing), falling(HIGH[mixing], 0.1, steps)
    setting = SamplerSetting(0, mixing, FlowLevels())
    *_, last = SAMPLERS[name].steps(mixture, mixture.noisy(POINTS, sigmas[0]), sigmas, setting, options)
    return last.latents


def order(name: str, mixing: Mixing) -> float:
    exact = Mixture(mixing).noisy(POINTS, torch.tensor(0.1, dtype=torch.float64))
    coarse, fine = (float((end(name, steps, mixing) - exact).abs().max()) for steps in (STEPS, 2 * STEPS + 1))
    return math.log2(coarse / fine)


def test_every_sampler_without_noise_has_a_known_order():
    assert {name for name, wanted in NOISELESS.items() if not wanted} == set(MULTISTEP)
    assert len(NOISELESS) == 20


@pytest.mark.parametrize("mixing", list(Mixing), ids=lambda mixing: mixing.value)
@pytest.mark.parametrize("name", sorted(NOISELESS))
def test_the_order_holds_on_a_mixture(name: str, mixing: Mixing):
    measured = order(name, mixing)
    if name in MULTISTEP:
        assert measured > 1.95
    else:
        assert measured == pytest.approx(NOISELESS[name], abs=0.3)


# --- what samplers with noise draw ----------------------------------------------------------------------------------

SHAPE = (1, 4, 36, 36)
LOW = 0.05
FALSE_ALARM = 1e-5  # of one test; a seed is fixed, so that one that passes always does
FINE, COARSE = 200, 60
FIRST_ORDER = {"ddpm", "euler", "euler_ancestral", "euler_ancestral_cfg_pp", "seeds_2", "er_sde"}
NOT_THE_DATA = {
    "lcm": "its variance holds for a consistency model, not for a mean of what may be",
    "dpmpp_2s_ancestral_cfg_pp": "a rule of the field's, which known answers hold us to, shrinks it",
}
DRAWING = sorted(
    name
    for name, row in SAMPLERS.items()
    if row.noise is not Noise.NONE
    and not row.noisy_if
    and name not in NOT_THE_DATA
    and not name.endswith("_gpu")
)
OPTIONS: dict[str, tuple[str, Mapping[str, Option]]] = {
    "euler_ancestral, half": ("euler_ancestral", {"eta": 0.5}),
    "dpmpp_sde, r": ("dpmpp_sde", {"r": 0.7}),
    "dpmpp_2m_sde, half": ("dpmpp_2m_sde", {"eta": 0.5}),
    "dpmpp_2m_sde, heun": ("dpmpp_2m_sde", {"second_order": "heun"}),
    "dpmpp_3m_sde, half": ("dpmpp_3m_sde", {"eta": 0.5}),
    "er_sde, reverse": ("er_sde", {"renewal": "Reverse-time SDE"}),
    "er_sde, two stages": ("er_sde", {"max_stage": 2}),
    "seeds_2, phi_2": ("seeds_2", {"joining": "phi_2"}),
    "sa_solver, orders": ("sa_solver", {"predictor_order": 2, "corrector_order": 2, "simple_order_2": True}),
    "dpm_2_ancestral, half": ("dpm_2_ancestral", {"eta": 0.5}),
    "dpmpp_2s_ancestral, half": ("dpmpp_2s_ancestral", {"eta": 0.5}),
    "dpmpp_sde, half": ("dpmpp_sde", {"eta": 0.5}),
    "dpmpp_2m_sde, half, heun": ("dpmpp_2m_sde", {"eta": 0.5, "second_order": "heun"}),
    "er_sde, reverse, half": ("er_sde", {"renewal": "Reverse-time SDE", "eta": 0.5}),
    "seeds_2, half, phi_2": ("seeds_2", {"eta": 0.5, "r": 0.8, "joining": "phi_2"}),
    "seeds_3, half": ("seeds_3", {"eta": 0.5, "r_1": 0.25}),
    "sa_solver, half": ("sa_solver", {"eta": 0.5, "noisy": (5.0, 0.2)}),
    "res_multistep_ancestral, half": ("res_multistep_ancestral", {"eta": 0.5}),
    "exp_heun_2_x0_sde, half": ("exp_heun_2_x0_sde", {"eta": 0.5}),
    "euler, churned": ("euler", {"s_churn": 40.0}),
    "heun, churned": ("heun", {"s_churn": 20.0, "s_tmin": 0.1, "s_tmax": 5.0}),
    "dpm_2, churned": ("dpm_2", {"s_churn": 20.0}),
    "dpm_adaptive, noise": ("dpm_adaptive", {"eta": 1.0, "rtol": 0.005, "atol": 0.001}),
}


def farthest(name: str, mixing: Mixing, options: Mapping[str, Option] | None = None) -> float:
    """The largest distance between the share of drawn points below a level and the exact one (Kolmogorov, Smirnov)."""
    mixture = Mixture(mixing)
    steps = FINE if name in FIRST_ORDER else COARSE
    sigmas = falling(10.0 if mixing is Mixing.ADDED else 0.98, LOW, steps).float()
    start = mixture.noisy(start_noise(SHAPE, 1).double(), sigmas[0].double()).float()
    setting = SamplerSetting(5, mixing, FlowLevels())
    *_, last = SAMPLERS[name].steps(mixture, start, sigmas, setting, options)
    drawn = last.latents.flatten().double().sort().values
    exact = mixture.below(drawn, sigmas[-1].double())
    count = len(drawn)
    place = torch.arange(count + 1, dtype=torch.float64) / count
    return float(torch.maximum((place[1:] - exact).abs(), (exact - place[:-1]).abs()).max())


def bound(count: int) -> float:
    """Farther than that chance puts the points only once in 1 / FALSE_ALARM (Massart 1990, Ann. Probab. 18)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * count))


WITHIN = bound(math.prod(SHAPE))


@pytest.mark.parametrize("name", DRAWING)
def test_what_a_sampler_draws_is_distributed_as_the_data(name: str):
    assert farthest(name, Mixing.ADDED) < WITHIN


@pytest.mark.parametrize("name", [name for name in DRAWING if SAMPLERS[name].mixed])
def test_it_is_where_noise_is_traded(name: str):
    assert farthest(name, Mixing.TRADED) < WITHIN


@pytest.mark.parametrize("name", ["euler", "heun", "dpm_2"])
def test_churned_noise_is_that_of_its_level_where_noise_is_traded(name: str):
    assert farthest(name, Mixing.TRADED, {"s_churn": 20.0}) < WITHIN


@pytest.mark.parametrize("case", sorted(OPTIONS))
def test_options_do_not_change_the_distribution(case: str):
    assert farthest(*_with_mixing(OPTIONS[case])) < WITHIN


def test_the_test_would_notice_noise_that_is_a_fifth_too_strong():
    assert farthest("euler_ancestral", Mixing.ADDED, {"s_noise": 1.2}) > WITHIN
    assert farthest("dpmpp_2m_sde", Mixing.ADDED, {"s_noise": 1.2}) > WITHIN


def _with_mixing(case: tuple[str, Mapping[str, Option]]) -> tuple[str, Mixing, Mapping[str, Option]]:
    name, options = case
    return name, Mixing.ADDED, options
