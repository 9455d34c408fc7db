"""Schedules of nodes of their own, and what can be done to schedules."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.diffusion import more_schedules, sigma_tools
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.schedules import exponential, for_run, for_sampler
from nodes.diffusion.sigma_tools import Spacing

LEVELS = from_betas(scaled_linear_betas())
LAW = settings(max_examples=30, deadline=None)
counts = st.integers(1, 60)
shares = st.floats(0.05, 1.0)


@LAW
@given(steps=counts, rho=st.floats(0.2, 5.0))
def test_a_polyexponential_schedule_goes_from_one_level_to_the_other(steps: int, rho: float):
    sigmas = more_schedules.polyexponential(0.03, 14.6, steps, rho)
    assert len(sigmas) == steps + 1
    assert float(sigmas[0]) == pytest.approx(14.6, rel=1e-5)
    assert float(sigmas[-1]) == 0.0
    assert (sigmas.diff() <= 0).all()
    if steps > 1:
        assert float(sigmas[-2]) == pytest.approx(0.03, rel=1e-5)


def test_the_exponential_schedule_of_a_model_is_that_of_its_ends():
    between = more_schedules.exponential_between(LEVELS.minimum, LEVELS.maximum, 12)
    assert torch.allclose(between, exponential(LEVELS, 12), rtol=1e-5)


def test_no_level_has_the_logarithm_of_zero():
    with pytest.raises(DiffusionError, match="above 0"):
        more_schedules.exponential_between(0.0, 14.6, 4)


@LAW
@given(steps=counts, mu=st.floats(-2, 2), beta=st.floats(0.1, 2.0))
def test_laplace_levels_fall_between_both_ends_and_leave_noise(steps: int, mu: float, beta: float):
    sigmas = more_schedules.laplace(0.03, 14.6, steps, mu, beta)
    assert len(sigmas) == steps
    assert (sigmas.diff() <= 0).all()
    assert 0.0299 < float(sigmas.min()) <= float(sigmas.max()) <= 14.61


@LAW
@given(steps=counts)
def test_variance_preserving_levels_fall_to_zero(steps: int):
    sigmas = more_schedules.variance_preserving(steps, 19.9, 0.1, 0.001)
    assert len(sigmas) == steps + 1
    assert (sigmas.diff() < 0).all()


@pytest.mark.parametrize(
    ("steps", "denoise", "count"), [(1, 1.0, 2), (10, 1.0, 11), (4, 0.5, 5), (10, 0.5, 6), (1, 0.0, 1)]
)
def test_turbo_levels_are_those_of_every_hundredth_timestep(steps: int, denoise: float, count: int):
    sigmas = more_schedules.turbo(LEVELS, steps, denoise)
    assert len(sigmas) == count
    if count > 1:
        first = 999 - 100 * (10 - int(10 * denoise))
        assert float(sigmas[0]) == pytest.approx(float(LEVELS.sigmas[first]), rel=1e-5)


@LAW
@given(
    schedule=st.sampled_from(
        [
            lambda steps, denoise: more_schedules.align_your_steps("SDXL", steps, denoise),
            lambda steps, denoise: more_schedules.optimal_steps("Wan", steps, denoise),
            lambda steps, denoise: more_schedules.gits(1.2, steps, denoise),
        ]
    ),
    steps=st.integers(3, 60),
    denoise=shares,
)
def test_published_levels_are_drawn_to_any_length_and_cut(schedule, steps: int, denoise: float):
    sigmas = schedule(steps, denoise)
    assert len(sigmas) == round(steps * denoise) + 1
    assert float(sigmas[-1]) == 0.0
    assert (sigmas.diff() < 0).all()
    assert torch.equal(sigmas[-2:], schedule(steps, 1.0)[-len(sigmas) :][-2:])
    assert len(schedule(steps, 0.0)) == 0


def test_a_coefficient_without_a_table_is_told_from_those_with_one():
    with pytest.raises(DiffusionError, match=r"Choose of: 0\.8, 0\.85"):
        more_schedules.gits(0.83, 10, 1.0)


@LAW
@given(steps=counts, pixels=st.integers(64, 4096))
def test_flow_schedules_go_from_one_to_zero(steps: int, pixels: int):
    for sigmas in (
        more_schedules.flux2(steps, pixels, pixels),
        more_schedules.ltxv(steps, pixels, 0.95, 2.05),
        more_schedules.ltxv(steps, pixels, 0.95, 2.05, terminal=0.1),
    ):
        assert len(sigmas) == steps + 1
        assert (float(sigmas[0]), float(sigmas[-1])) == (pytest.approx(1.0), 0.0)
        assert (sigmas.diff() < 0).all() or steps == 1


def test_the_size_of_a_picture_keeps_flow_levels_high():
    assert more_schedules.flux2(4, 1024, 1024).tolist() == pytest.approx(
        [1, 0.9674, 0.9081, 0.7672, 0], abs=1e-4
    )
    small, large = more_schedules.flux2(8, 512, 512), more_schedules.flux2(8, 2048, 2048)
    assert (large[1:-1] > small[1:-1]).all()


def test_samplers_that_leave_a_level_out_leave_out_the_last_but_one():
    whole, left = for_run("normal", LEVELS, 9), for_sampler("normal", "dpm_2", LEVELS, 8)
    assert torch.equal(left, torch.cat((whole[:-2], whole[-1:])))
    assert torch.equal(for_run("normal", LEVELS, 8), for_sampler("normal", "euler", LEVELS, 8))


# --- tools ----------------------------------------------------------------------------------------------------------

SIGMAS = torch.tensor([14.0, 7.0, 3.0, 0.0])


@LAW
@given(steps=counts, step=st.integers(0, 80))
def test_both_parts_of_a_split_share_the_level_between(steps: int, step: int):
    sigmas = torch.linspace(14, 0, steps + 1)
    high, low = sigma_tools.split(sigmas, step)
    assert torch.equal(torch.cat((high, low[1:])), sigmas)


@LAW
@given(steps=counts, denoise=st.floats(0.0, 1.0))
def test_the_last_share_of_a_split_has_its_steps(steps: int, denoise: float):
    sigmas = torch.linspace(14, 0, steps + 1)
    high, low = sigma_tools.split_by_share(sigmas, denoise)
    assert len(low) - 1 == round(steps * denoise)
    assert len(high) == (steps + 1 - round(steps * denoise) if round(steps * denoise) else 0)


def test_a_flipped_schedule_rises_from_just_above_zero():
    assert sigma_tools.flipped(SIGMAS).tolist() == pytest.approx([1e-4, 3.0, 7.0, 14.0])
    assert len(sigma_tools.flipped(torch.zeros(0))) == 0
    assert float(SIGMAS[-1]) == 0.0


def test_the_first_level_is_set_in_a_copy():
    assert sigma_tools.with_first(SIGMAS, 136.0).tolist() == [136.0, 7.0, 3.0, 0.0]
    assert float(SIGMAS[0]) == 14.0
    with pytest.raises(DiffusionError, match="no sigmas"):
        sigma_tools.with_first(torch.zeros(0), 1.0)


def test_levels_are_put_between_those_of_a_range():
    made = sigma_tools.extended(SIGMAS, 2, -1.0, 2.5, Spacing.LINEAR)
    assert made.tolist() == pytest.approx([14, 10.5, 7, 5, 3, 1.5, 0])
    assert torch.equal(sigma_tools.extended(SIGMAS, 1, -1.0, 2.5, Spacing.SINE), SIGMAS)
    narrow = sigma_tools.extended(SIGMAS, 2, 8.0, 5.0, Spacing.LINEAR)
    assert narrow.tolist() == pytest.approx([14, 7, 5, 3, 0])


@LAW
@given(steps=st.integers(1, 6), spacing=st.sampled_from(Spacing))
def test_all_levels_stay_when_others_come_between(steps: int, spacing: Spacing):
    made = sigma_tools.extended(SIGMAS, steps, -1.0, 0.0, spacing)
    assert set(SIGMAS.tolist()) <= set(made.tolist())
    assert (made.diff() < 0).all()


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1, 0.5", [1.0, 0.5]),
        ("14.6;7\n.5 0", [14.6, 7.0, 0.5, 0.0]),
        ("1e-3", [1.0, -3.0]),
        ("2.", [2.0]),
        ("", []),
    ],
)
def test_numbers_are_read_from_a_text(text: str, numbers: list[float]):
    assert sigma_tools.read(text).tolist() == pytest.approx(numbers)
