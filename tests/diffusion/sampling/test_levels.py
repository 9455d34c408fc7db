"""Noise levels of all kinds of models: timesteps and sigmas are two names of one thing, a run goes down them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.builtin.storage import ResultCodec
from nodes.diffusion.continuous_levels import AngleLevels, CosineLevels, EdmLevels, ShareLevels
from nodes.diffusion.keys import key
from nodes.diffusion.level_recipes import LevelsRecipe, OwnLevels, built
from nodes.diffusion.noise_levels import (
    FlowLevels,
    NoiseLevels,
    flux_levels,
    flux_mu,
    from_betas,
    linear_betas,
    scaled_linear_betas,
)
from nodes.diffusion.sampling import window
from nodes.diffusion.schedules import SCHEDULES, for_sampler
from nodes.diffusion.values import CheckpointRef, Model, ModelSettings

SD = from_betas(scaled_linear_betas())
RECIPES: dict[str, LevelsRecipe] = {
    "own": OwnLevels(),
    "own, zero terminal snr": OwnLevels(zero_terminal_snr=True),
    "distilled": OwnLevels(distilled=50),
    "edm": EdmLevels(),
    "angle": AngleLevels(),
    "share": ShareLevels(),
    "cosine": CosineLevels(2.0),
    "flow": FlowLevels(3.0),
    "flow of unit time": FlowLevels(1.73, 1.0),
    "flux": flux_levels(),
}
LEVELS: dict[str, NoiseLevels] = {name: built(recipe, SD) for name, recipe in RECIPES.items()}
SHIFTED = {"cosine", "flow", "flow of unit time", "flux"}  # are told times of the schedule without its shift
LAW = settings(max_examples=25, deadline=None)
kinds = st.sampled_from(sorted(LEVELS))


@pytest.mark.parametrize("kind", sorted(LEVELS))
def test_all_kinds_fill_the_protocol(kind: str):
    levels = LEVELS[kind]
    assert isinstance(levels, NoiseLevels)
    assert (levels.sigmas.diff() >= 0).all()
    assert levels.minimum == pytest.approx(float(levels.sigmas[0]), rel=1e-5)
    assert levels.maximum == pytest.approx(float(levels.sigmas[-1]), rel=1e-5)


@LAW
@given(kind=st.sampled_from(sorted(set(LEVELS) - SHIFTED)), place=st.floats(0.0, 1.0))
def test_a_sigma_is_found_again_from_its_timestep(kind: str, place: float):
    levels = LEVELS[kind]
    sigma = levels.sigmas[round(place * (len(levels.sigmas) - 1))].reshape(1)
    assert torch.allclose(levels.sigma(levels.timestep(sigma)), sigma, rtol=2e-3)


@LAW
@given(kind=kinds, share=st.floats(0.0, 0.9))
def test_later_in_a_run_sigma_is_lower_and_stays_in_range(kind: str, share: float):
    levels = LEVELS[kind]
    assert levels.at_percent(share) >= levels.at_percent(share + 0.1)
    assert levels.at_percent(1.0) == 0.0
    assert levels.at_percent(0.0) >= levels.maximum
    assert levels.at_percent(0.999) >= levels.minimum * 0.99


@LAW
@given(kind=kinds, schedule=st.sampled_from(sorted(SCHEDULES)), steps=st.integers(1, 40))
def test_every_schedule_falls_to_zero_on_all_kinds_of_levels(kind: str, schedule: str, steps: int):
    sigmas = for_sampler(schedule, "euler", LEVELS[kind], steps)
    assert torch.isfinite(sigmas).all()
    assert (sigmas.diff() <= 0).all()
    assert float(sigmas[-1]) == 0.0
    assert float(sigmas[0]) <= LEVELS[kind].maximum * (1 + 1e-4)
    assert len(window(sigmas, 0, 10000, leftover_noise=True)) == (len(sigmas) if len(sigmas) > 1 else 0)


def test_a_distilled_table_holds_every_twentieth_timestep_from_the_nineteenth():
    levels = LEVELS["distilled"]
    assert len(levels.sigmas) == 50
    assert torch.equal(levels.sigmas, SD.sigmas[19::20])
    told = levels.timestep(SD.sigmas[[19, 30, 990, 999]])
    assert told.tolist() == [19, 39, 999, 999]
    assert float(levels.sigma(torch.tensor(29.0))) == pytest.approx(
        math.exp((SD.log_sigmas[19] + SD.log_sigmas[39]) / 2), rel=1e-5
    )


def test_own_levels_are_of_the_checkpoints_own_betas():
    other = from_betas(linear_betas(1e-4, 0.02))
    assert torch.equal(built(OwnLevels(), other).sigmas, other.sigmas)
    assert built(OwnLevels(zero_terminal_snr=True), other).maximum == pytest.approx(4518.76, rel=1e-4)
    assert torch.equal(built(OwnLevels(), FlowLevels()).sigmas, SD.sigmas)


def test_the_shift_of_flux_grows_with_the_picture():
    assert flux_mu(4096, 0.5, 1.15) == pytest.approx(1.15)
    assert flux_mu(256, 0.5, 1.15) == pytest.approx(0.5)
    small, large = flux_levels(flux_mu(256, 0.5, 1.15)), flux_levels(flux_mu(4096, 0.5, 1.15))
    assert large.at_percent(0.5) > small.at_percent(0.5)
    assert float(large.timestep(torch.tensor(0.25))) == 0.25


def test_twice_the_side_at_shift_two_has_a_quarter_of_the_ratio():
    plain, shifted = CosineLevels(1.0), CosineLevels(2.0)
    half = torch.tensor(0.5)
    assert float(shifted.sigma(half)) == pytest.approx(2 * float(plain.sigma(half)), rel=1e-4)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_levels_in_a_recipe_are_part_of_its_key_and_kept_on_disk(name: str):
    base = Model(CheckpointRef(Path("a.safetensors"), "c0ffee"))
    model = replace(base, settings=ModelSettings("v", RECIPES[name], "SD15", 0.5))
    codec = ResultCodec()
    again = codec.unpack(codec.pack(model))
    assert again == model
    assert key(again) == key(model) != key(base)
    others = [replace(base, settings=ModelSettings("v", recipe, "SD15", 0.5)) for recipe in RECIPES.values()]
    assert len({key(other) for other in others}) == len(RECIPES)
