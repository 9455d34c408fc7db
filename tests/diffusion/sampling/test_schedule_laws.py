"""What holds of every schedule, sampler and number of steps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.diffusion.noise_levels import FlowLevels, NoiseLevels, from_betas, scaled_linear_betas
from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.loop import window
from nodes.diffusion.schedules import SCHEDULES, beta_quantile, for_sampler

LEVELS = {
    "eps": from_betas(scaled_linear_betas()),
    "zero terminal snr": from_betas(scaled_linear_betas(), zero_terminal_snr=True),
    "flow": FlowLevels(3.0),
}
kinds = st.sampled_from(sorted(LEVELS))
LAW = settings(max_examples=30, deadline=None)
schedules = st.sampled_from(sorted(SCHEDULES))


@LAW
@given(kind=kinds, schedule=schedules, steps=st.integers(1, 60))
def test_a_schedule_falls_to_zero(kind: str, schedule: str, steps: int):
    sigmas = SCHEDULES[schedule](LEVELS[kind], steps)
    assert torch.isfinite(sigmas).all()
    assert (sigmas.diff() < 0).all()
    assert float(sigmas[-1]) == 0.0
    assert float(sigmas[0]) <= LEVELS[kind].maximum * (1 + 1e-5)


@LAW
@given(schedule=schedules, sampler=st.sampled_from(sorted(SAMPLERS)), steps=st.integers(1, 40))
def test_a_run_has_as_many_steps_as_asked_for(schedule: str, sampler: str, steps: int):
    count = len(for_sampler(schedule, sampler, LEVELS["eps"], steps)) - 1
    if schedule == "ddim_uniform":
        assert count >= steps
    elif schedule == "beta":
        assert count <= steps
    else:
        assert count == steps


@LAW
@given(schedule=schedules, steps=st.integers(1, 30), denoise=st.floats(0.05, 0.99))
def test_less_denoise_starts_lower_with_as_many_steps(schedule: str, steps: int, denoise: float):
    whole = for_sampler(schedule, "euler", LEVELS["eps"], steps)
    part = for_sampler(schedule, "euler", LEVELS["eps"], steps, denoise)
    assert len(part) <= steps + 1
    if schedule != "ddim_uniform":  # its last steps depend on their number
        assert float(part[0]) <= float(whole[0]) * (1 + 1e-5)


def test_no_denoise_is_no_step():
    assert len(for_sampler("normal", "euler", LEVELS["eps"], 20, 0.0)) == 0


@LAW
@given(steps=st.integers(1, 30), middle=st.integers(1, 30))
def test_two_windows_make_the_whole(steps: int, middle: int):
    sigmas = for_sampler("normal", "euler", LEVELS["eps"], steps)
    first = window(sigmas, 0, middle, leftover_noise=True)
    second = window(sigmas, middle, 10000, leftover_noise=True)
    joined = torch.cat((first, second[1:])) if len(second) else first
    assert torch.equal(joined, sigmas)


def test_a_window_without_leftover_noise_ends_at_zero():
    sigmas = for_sampler("normal", "euler", LEVELS["eps"], 10)
    assert float(window(sigmas, 0, 4, leftover_noise=False)[-1]) == 0.0
    assert len(window(sigmas, 0, 4, leftover_noise=False)) == 5
    assert float(sigmas[4]) > 0.0


@pytest.mark.parametrize("levels", LEVELS.values(), ids=list(LEVELS))
@LAW
@given(place=st.floats(0.01, 1.0))
def test_sigma_rises_with_the_timestep(levels: NoiseLevels, place: float):
    last = 999.0
    at = levels.sigma(torch.tensor(place * last))
    assert float(levels.sigma(torch.tensor(place * last * 0.9))) < float(at)


@LAW
@given(timestep=st.integers(0, 999))
def test_a_timestep_is_found_again_from_its_sigma(timestep: int):
    levels = LEVELS["eps"]
    assert int(levels.timestep(levels.sigmas[timestep].reshape(1))) == timestep


@LAW
@given(share=st.floats(0.0, 1.0))
def test_later_in_a_run_sigma_is_lower(share: float):
    for levels in LEVELS.values():
        assert levels.at_percent(share) >= levels.at_percent(min(1.0, share + 0.1))


@LAW
@given(share=st.floats(0.001, 0.999))
def test_the_beta_quantile_of_equal_parameters_is_symmetric(share: float):
    assert beta_quantile(share, 0.6, 0.6) == pytest.approx(1 - beta_quantile(1 - share, 0.6, 0.6), abs=1e-9)
    assert beta_quantile(share, 1.0, 1.0) == pytest.approx(share, abs=1e-9)
