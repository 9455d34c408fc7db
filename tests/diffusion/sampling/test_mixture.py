"""Samplers on a mixture whose score is known: the order of those without noise, the distribution that the others draw."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import NormalDist

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

NORMAL = NormalDist()
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
FALSE_ALARM = 1e-5  # of one comparison; a seed is fixed, so that one that passes always does
FINE, COARSE = 200, 60
FIRST_ORDER = {"ddpm", "euler", "euler_ancestral", "euler_ancestral_cfg_pp", "seeds_2", "er_sde", "ddim"}
NOT_THE_DATA = {
    "lcm": "its variance holds for a consistency model, not for a mean of what may be",
    "dpmpp_2s_ancestral_cfg_pp": "a rule of the field's, which known answers hold us to, shrinks it",
}
DRAWING = sorted(
    name
    for name, row in SAMPLERS.items()
    if row.noise is not Noise.NONE and name not in NOT_THE_DATA and not name.endswith("_gpu")
)
# What a sampler's options may be without changing what it draws; `s_noise` does, and has a law of its own (test_options).
OPTIONS: Mapping[str, Sequence[Mapping[str, Option]]] = {
    "euler": ({"s_churn": 40.0}, {"s_churn": 30.0, "s_tmin": 0.1, "s_tmax": 5.0}),
    "heun": ({"s_churn": 20.0}, {"s_churn": 20.0, "s_tmin": 0.1, "s_tmax": 5.0}),
    "dpm_2": ({"s_churn": 20.0}, {"s_churn": 20.0, "s_tmin": 0.1, "s_tmax": 5.0}),
    "ddim": ({"s_churn": 40.0, "s_tmin": 0.2, "s_tmax": 2.0},),
    "euler_ancestral": ({"eta": 0.5}, {"eta": 1.2}),
    "euler_ancestral_cfg_pp": ({"eta": 0.5}, {"eta": 1.2}),
    "dpm_2_ancestral": ({"eta": 0.5},),
    "dpmpp_2s_ancestral": ({"eta": 0.5},),
    "dpm_adaptive": (
        {"eta": 1.0, "rtol": 0.005, "atol": 0.001},
        {"eta": 0.5, "order": 2, "rtol": 0.005, "atol": 0.001, "h_init": 0.02},
        {"eta": 1.0, "rtol": 0.005, "atol": 0.001, "pcoeff": 0.2, "icoeff": 0.8, "dcoeff": 0.1, "accept_safety": 0.7},
    ),
    "dpmpp_sde": ({"eta": 0.5}, {"r": 0.7}, {"eta": 0.7, "r": 0.3}),
    "dpmpp_2m_sde": ({"eta": 0.5}, {"eta": 1.2}, {"second_order": "heun"}, {"eta": 0.5, "second_order": "heun"}),
    "dpmpp_2m_sde_heun": ({"eta": 0.5},),
    "dpmpp_3m_sde": ({"eta": 0.5}, {"eta": 1.2}),
    "exp_heun_2_x0_sde": ({"eta": 0.5}, {"eta": 1.2}),
    "res_multistep_ancestral": ({"eta": 0.5},),
    "res_multistep_ancestral_cfg_pp": ({"eta": 0.5},),
    "er_sde": (
        {"renewal": "Reverse-time SDE"},
        {"renewal": "Reverse-time SDE", "eta": 0.5},
        {"renewal": "ODE"},
        {"max_stage": 1},
        {"max_stage": 2, "eta": 0.5},
    ),
    "seeds_2": ({"joining": "phi_2"}, {"eta": 0.5, "r": 0.8, "joining": "phi_2"}, {"eta": 1.2, "r": 0.4}),
    "seeds_3": ({"eta": 0.5, "r_1": 0.25}, {"eta": 1.2, "r_1": 0.5, "r_2": 0.8}),
    "sa_solver": (
        {"predictor_order": 2, "corrector_order": 2, "simple_order_2": True},
        {"predictor_order": 1, "corrector_order": 2, "again": True},
        {"eta": 0.5, "noisy": (5.0, 0.2)},
    ),
    "sa_solver_pece": ({"eta": 0.5}, {"eta": 1.2, "noisy": (5.0, 0.2)}),
}  # fmt: skip
CASES = [(name, {}) for name in DRAWING if not SAMPLERS[name].noisy_if] + [
    (name, options) for name, row in OPTIONS.items() for options in row
]


def told(case: tuple[str, Mapping[str, Option]]) -> str:
    name, options = case
    return " ".join((name, *(f"{option}={value}" for option, value in options.items())))


@cache
def begun(mixing: Mixing, high: float) -> Tensor:
    start = Mixture(mixing).noisy(start_noise(SHAPE, 1).double(), torch.tensor(high, dtype=torch.float64))
    return start.float()


def drawn(name: str, mixing: Mixing, options: Mapping[str, Option]) -> tuple[Tensor, Tensor]:
    """The points that a sampler draws, in a row, and the sigma that they have left."""
    steps = FINE if name in FIRST_ORDER else COARSE
    sigmas = falling(10.0 if mixing is Mixing.ADDED else 0.98, LOW, steps).float()
    setting = SamplerSetting(5, mixing, FlowLevels())
    start = begun(mixing, float(sigmas[0]))
    *_, last = SAMPLERS[name].steps(Mixture(mixing), start, sigmas, setting, options)
    return last.latents.flatten().double(), sigmas[-1].double()


def surprises(name: str, mixing: Mixing, options: Mapping[str, Option]) -> Mapping[str, float]:
    """How far the drawn points are from the data's distribution, in units of what chance does once in 1 / FALSE_ALARM.

    Their distribution function, their mean, their variance, and how the first half goes with the second one, which are
    different channels: not at all.
    """
    points, sigma = drawn(name, mixing, options)
    mean, variance, fourth = Mixture(mixing).moments(sigma)
    one, other = (points - mean).chunk(2)
    count = len(points)
    chance = -NORMAL.inv_cdf(FALSE_ALARM / 2)
    return {
        "distribution": farthest(points, Mixture(mixing).below(points.sort().values, sigma)) / bound(count),
        "mean": abs(float(points.mean()) - mean) / (chance * math.sqrt(variance / count)),
        "variance": abs(float((points - mean).square().mean()) - variance)
        / (chance * math.sqrt((fourth - variance**2) / count)),
        "dependence": abs(float((one * other).mean())) / (chance * variance / math.sqrt(count / 2)),
    }


def farthest(points: Tensor, exact: Tensor) -> float:
    """The largest distance between the share of points below a level and the exact one (Kolmogorov, Smirnov)."""
    place = torch.arange(len(points) + 1, dtype=torch.float64) / len(points)
    return float(torch.maximum((place[1:] - exact).abs(), (exact - place[:-1]).abs()).max())


def bound(count: int) -> float:
    """Farther than that chance puts the points only once in 1 / FALSE_ALARM (Massart 1990, Ann. Probab. 18)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * count))


def test_every_option_of_every_sampler_with_noise_is_tried():
    for name in DRAWING:
        tried = {option for options in OPTIONS.get(name, ()) for option in options}
        assert tried == set(SAMPLERS[name].options) - {"s_noise"}, name


@pytest.mark.parametrize("case", CASES, ids=told)
def test_what_a_sampler_draws_is_distributed_as_the_data(case: tuple[str, Mapping[str, Option]]):
    assert {what: by for what, by in surprises(case[0], Mixing.ADDED, case[1]).items() if by >= 1} == {}


@pytest.mark.parametrize("case", [case for case in CASES if SAMPLERS[case[0]].mixed], ids=told)
def test_it_is_where_noise_is_traded(case: tuple[str, Mapping[str, Option]]):
    assert {what: by for what, by in surprises(case[0], Mixing.TRADED, case[1]).items() if by >= 1} == {}


@pytest.mark.parametrize("name", ["euler_ancestral", "dpmpp_2m_sde"])
def test_the_test_would_notice_noise_that_is_a_fifth_too_strong(name: str):
    noticed = surprises(name, Mixing.ADDED, {"s_noise": 1.2})
    assert noticed["distribution"] > 1
    assert noticed["variance"] > 1
