"""What can be set on a sampler: which options there are, and what each is known to do at its ends."""

import math
from collections.abc import Mapping

import pytest
import torch

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.keys import key
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise_levels import FlowLevels
from nodes.diffusion.sampling import SAMPLERS, chosen
from nodes.diffusion.sampling.choice import Option
from nodes.diffusion.sampling.dpm_solver import StepLength
from nodes.diffusion.sampling.loop import named
from nodes.diffusion.sampling.sa_solver import polynomial_weights, simple_weights
from nodes.diffusion.sampling.sampler import SamplerSetting
from nodes.diffusion.sampling.table import MORE_SAMPLERS
from tests.diffusion.sampling.gaussian import Gaussian, falling

NOISE = torch.tensor([[[[-1.5, -0.2, 0.4, 1.1]]]], dtype=torch.float64)
NEVER_NOISY = (-2.0, -1.0)  # for `sa_solver`: no sigma lies there


def end(
    name: str, options: Mapping[str, Option], steps: int = 24, mixing: Mixing = Mixing.ADDED
) -> torch.Tensor:
    gaussian = Gaussian(mixing=mixing)
    sigmas = falling(10.0 if mixing is Mixing.ADDED else 0.9, 0.1, steps)
    setting = SamplerSetting(3, mixing, FlowLevels())
    start = gaussian.noisy(NOISE, sigmas[0])
    *_, last = named(name).steps(gaussian, start, sigmas, setting, options)
    return last.latents


def error(name: str, options: Mapping[str, Option], steps: int, mixing: Mixing = Mixing.ADDED) -> float:
    exact = Gaussian(mixing=mixing).noisy(NOISE, torch.tensor(0.1, dtype=torch.float64))
    return float((end(name, options, steps, mixing) - exact).abs().max())


def order(name: str, options: Mapping[str, Option], mixing: Mixing = Mixing.ADDED) -> float:
    return math.log2(error(name, options, 64, mixing) / error(name, options, 128, mixing))


def test_an_option_that_a_sampler_has_not_is_refused_with_those_it_has():
    with pytest.raises(DiffusionError, match=r"no option eta\. It has: order"):
        end("lms", {"eta": 1.0})
    with pytest.raises(DiffusionError, match="It has: none"):
        end("ipndm", {"eta": 1.0})


def test_choices_are_equal_by_what_was_chosen_not_by_its_order():
    one, other = (
        chosen("er_sde", {"eta": 1.0, "max_stage": 2}),
        chosen("er_sde", {"max_stage": 2, "eta": 1.0}),
    )
    assert one == other
    assert key(one) == key(other)
    assert key(one) != key(chosen("er_sde", {"eta": 1.0, "max_stage": 3}))


@pytest.mark.parametrize("name", sorted({**SAMPLERS, **MORE_SAMPLERS}))
def test_defaults_written_out_change_nothing(name: str):
    import inspect

    function = named(name).function
    defaults = {
        entry.name: entry.default
        for entry in inspect.signature(function).parameters.values()
        if entry.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert torch.equal(end(name, defaults, steps=6), end(name, {}, steps=6))


# What each sampler with noise is without it: its order on the probability flow.
ODE_ORDERS = {
    "euler_ancestral": ({"eta": 0.0}, 1),
    "dpm_2_ancestral": ({"eta": 0.0}, 2),
    "dpmpp_2s_ancestral": ({"eta": 0.0}, 2),
    "dpmpp_sde": ({"eta": 0.0}, 2),
    "dpmpp_2m_sde": ({"eta": 0.0}, 2),
    "dpmpp_2m_sde/heun": ({"eta": 0.0, "second_order": "heun"}, 2),
    "res_multistep_ancestral": ({"eta": 0.0}, 2),
    "er_sde/1": ({"renewal": "ODE", "max_stage": 1}, 1),
    "er_sde/2": ({"renewal": "ODE", "max_stage": 2}, 2),
    "seeds_2": ({"eta": 0.0}, 2),
    "seeds_2/phi_2": ({"eta": 0.0, "joining": "phi_2"}, 2),
    "seeds_2/r": ({"eta": 0.0, "r": 0.8, "joining": "phi_2"}, 2),
    "exp_heun_2_x0_sde": ({"eta": 0.0}, 2),
    "sa_solver/1": ({"noisy": NEVER_NOISY, "predictor_order": 1, "corrector_order": 0}, 1),
    "sa_solver/2": ({"noisy": NEVER_NOISY, "predictor_order": 2, "corrector_order": 0}, 2),
    "sa_solver/simple": (
        {"noisy": NEVER_NOISY, "predictor_order": 2, "corrector_order": 0, "simple_order_2": True},
        2,
    ),
    "sa_solver/corrected": (
        {"noisy": NEVER_NOISY, "predictor_order": 1, "corrector_order": 2, "again": True},
        2,
    ),
    "dpmpp_sde/r": ({"eta": 0.0, "r": 0.7}, 2),
    "gradient_estimation": ({"gamma": 1.5}, 2),  # Adams and Bashforth's two steps
    "lms/1": ({"order": 1}, 1),
    "lms/2": ({"order": 2}, 2),
}
ADDED_ONLY = {"res_multistep_ancestral", "dpm_2_ancestral", "lms/1", "lms/2", "sa_solver/simple"}


@pytest.mark.parametrize("case", sorted(ODE_ORDERS))
def test_without_noise_the_order_on_the_flow_is_what_the_options_say(case: str):
    options, wanted = ODE_ORDERS[case]
    assert order(case.split("/", maxsplit=1)[0], options) == pytest.approx(wanted, abs=0.3)


@pytest.mark.parametrize("case", sorted(set(ODE_ORDERS) - ADDED_ONLY))
def test_the_order_holds_where_noise_is_traded(case: str):
    options, wanted = ODE_ORDERS[case]
    assert order(case.split("/", maxsplit=1)[0], options, Mixing.TRADED) == pytest.approx(wanted, abs=0.3)


def test_three_stages_are_of_third_order():
    assert order("seeds_3", {"eta": 0.0}) == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize(
    ("name", "options", "lower", "lower_options"),
    [
        ("er_sde", {"renewal": "ODE"}, "er_sde", {"renewal": "ODE", "max_stage": 2}),
        ("dpmpp_3m_sde", {"eta": 0.0}, "dpmpp_2m_sde", {"eta": 0.0}),
    ],
)
def test_one_more_prediction_is_more_exact_though_first_steps_hide_its_order(
    name: str, options: Mapping[str, Option], lower: str, lower_options: Mapping[str, Option]
):
    assert error(name, options, 64) < error(lower, lower_options, 64) / 1.2


def test_three_stages_are_of_third_order_wherever_the_second_lies():
    for places in ({"r_1": 0.25, "r_2": 2 / 3}, {"r_1": 0.5, "r_2": 2 / 3}):
        assert order("seeds_3", {"eta": 0.0, **places}) == pytest.approx(3, abs=0.3)


STRONG = sorted(name for name, row in SAMPLERS.items() if "s_noise" in row.options and "_gpu" not in name)
# What lets them draw, where they do not by themselves; steps of one length, since those that fit the values are not linear.
LET_DRAW: Mapping[str, Mapping[str, Option]] = {
    "s_churn": {"s_churn": 4.0, "s_tmin": 0.15, "s_tmax": 8.0},
    "eta": {"rtol": 1e6, "icoeff": 0.0, "h_init": 0.5},
}


@pytest.mark.parametrize("mixing", list(Mixing), ids=lambda mixing: mixing.value)
@pytest.mark.parametrize("name", STRONG)
def test_fresh_noise_counts_in_proportion_to_its_strength(name: str, mixing: Mixing):
    if mixing is Mixing.TRADED and not SAMPLERS[name].mixed:
        return
    half: Mapping[str, Option] = LET_DRAW.get(SAMPLERS[name].noisy_if, {})
    half = {**half, "eta": 0.5} if "eta" in SAMPLERS[name].options else half
    none, one, more = (end(name, {"s_noise": strength, **half}, 6, mixing) for strength in (0.0, 1.0, 1.7))
    assert not torch.allclose(none, one)
    assert torch.allclose(more - none, 1.7 * (one - none), atol=1e-9)  # this denoiser is linear


def test_multistep_of_order_one_is_euler():
    assert torch.allclose(end("lms", {"order": 1}), end("euler", {}), atol=1e-12)


def test_a_reverse_time_sde_that_renews_nothing_is_the_ode():
    still = end("er_sde", {"renewal": "Reverse-time SDE", "eta": 0.0})
    assert torch.equal(still, end("er_sde", {"renewal": "ODE"}))
    assert not torch.equal(still, end("er_sde", {"renewal": "Reverse-time SDE", "eta": 1.0}))


def test_fresh_noise_of_no_strength_is_none():
    once, twice = (end("euler_ancestral", {"s_noise": 0.0}, steps=8) for _ in range(2))
    assert torch.equal(once, twice)
    setting = SamplerSetting(99, Mixing.ADDED, FlowLevels())
    sigmas = falling(10.0, 0.1, 8)
    *_, other = SAMPLERS["euler_ancestral"].steps(
        Gaussian(), Gaussian().noisy(NOISE, sigmas[0]), sigmas, setting, {"s_noise": 0.0}
    )
    assert torch.equal(once, other.latents)


@pytest.mark.parametrize("order", [2, 3])
def test_the_adaptive_solver_is_exact_within_its_bound_for_both_orders(order: int):
    rough = error("dpm_adaptive", {"order": order, "rtol": 0.05, "atol": 0.01}, 4)
    fine = error("dpm_adaptive", {"order": order, "rtol": 1e-4, "atol": 1e-5}, 4)
    assert fine < rough / 10
    assert fine < 1e-3


def test_the_adaptive_solver_with_noise_draws_and_repeats():
    noisy = end("dpm_adaptive", {"eta": 1.0})
    assert torch.equal(noisy, end("dpm_adaptive", {"eta": 1.0}))
    assert not torch.allclose(noisy, end("dpm_adaptive", {"eta": 1.0, "s_noise": 0.5}))
    assert torch.isfinite(noisy).all()


def test_a_step_with_a_small_error_is_taken_and_the_next_is_longer():
    lengths = StepLength(0.1, 0.0, 1.0, 0.0, 3.0, 0.81)
    assert lengths.accepts(0.01)
    assert lengths.length > 0.1
    before = lengths.length
    assert not lengths.accepts(50.0)
    assert lengths.length < before


def test_simple_weights_of_two_places_are_the_exact_ones_for_short_steps():
    for length in (0.1, 0.01):
        places = [-length, -2 * length]
        exact, simple = polynomial_weights(places, length, 2.0), simple_weights(places, length, 2.0)
        assert sum(simple) == pytest.approx(sum(exact))
        assert simple == pytest.approx(exact, abs=length**2 * 2)


@pytest.mark.parametrize(("steps", "sizes"), [(-1, [11, 13, 15, 15, 15, 15]), (2, [12, 15, 15, 15, 15, 15])])
def test_upscaling_steps_grow_to_the_size_asked_for(steps: int, sizes: list[int]):
    gaussian, sigmas = Gaussian(), falling(10.0, 0.1, 6).float()
    start = gaussian.noisy(torch.zeros(1, 4, 9, 9), sigmas[0])
    setting = SamplerSetting(3, Mixing.ADDED, FlowLevels())
    options = {"ratio": 15 / 9, "steps": steps, "method": "bilinear"}
    made = list(MORE_SAMPLERS["lcm_upscale"].steps(gaussian, start, sigmas, setting, options))
    assert [step.latents.shape[-1] for step in made] == sizes


def test_where_a_high_eta_takes_all_noise_off_the_next_levels_noise_is_put_on():
    sigmas = torch.tensor([10.0, 5.0, 1.0, 0.2])
    start = Gaussian().noisy(torch.zeros(1, 4, 64, 64), sigmas[0])
    setting = SamplerSetting(3, Mixing.ADDED, FlowLevels())
    steps = SAMPLERS["dpmpp_2s_ancestral"].steps(Gaussian(), start, sigmas, setting, {"eta": 1.9})
    for step in steps:
        left = (step.latents - step.denoised).std() / sigmas[step.index + 1]
        assert float(left) == pytest.approx(1.0, abs=0.05)
