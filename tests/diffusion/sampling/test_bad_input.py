"""What does not go together is told with what to do about it, before a run or at the step where it shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.latent_formats import LatentFormat, latent_format
from nodes.diffusion.noise import NoNoise
from nodes.diffusion.noise_levels import FlowLevels, from_betas, scaled_linear_betas
from nodes.diffusion.sampling import SAMPLERS, Run, chosen, sample
from nodes.diffusion.sampling.fitting import SPATIAL_RATIO, fitted
from nodes.diffusion.schedules import SCHEDULES, for_run, for_sampler
from nodes.diffusion.values import Latent
from tests.diffusion.sampling.test_guidance import Echo

EMPTY = Latent(torch.zeros(1, 4, 8, 8))
LEVELS = from_betas(scaled_linear_betas())
SIGMAS = for_run("karras", LEVELS, 6)
FALLS_ONLY = sorted(name for name, row in SAMPLERS.items() if not row.climbs({}))


@dataclass
class Breaking:
    """A guider that says nothing but NaN from its third call on."""

    network: Echo = field(default_factory=lambda: Echo(latent_format=LatentFormat(scale=1.0)))
    calls: int = 0
    unread: tuple[str, ...] = ()

    def start(
        self,
        seed: int,
        shape: Sequence[int],
        latents: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """It draws nothing."""

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        return self.both(latents, sigma)[0]

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        said = latents * (math.nan if self.calls > 2 else 0.5)
        return said, said


@dataclass
class Halving(Breaking):
    """A guider whose guess is half of what it sees."""

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        return latents * 0.5, latents * 0.5


def run(
    sampler: str, sigmas: Tensor = SIGMAS, guider: Breaking | None = None, latent: Latent = EMPTY
) -> Tensor:
    *_, last = sample(guider or Halving(), latent, Run(sampler, sigmas, 1))
    return last.latents


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_a_model_that_gives_no_numbers_is_told_with_step_and_sampler(sampler: str):
    with pytest.raises(DiffusionError, match=rf"Step \d of 6 with the sampler {sampler} gave no numbers"):
        run(sampler, guider=Breaking())


@pytest.mark.parametrize("sampler", FALLS_ONLY)
def test_a_schedule_that_rises_is_told_where_if_the_sampler_can_only_go_down(sampler: str):
    with pytest.raises(DiffusionError, match=f"rises in step 2, from 5 to 7, and the sampler {sampler}"):
        run(sampler, torch.tensor([10.0, 5.0, 7.0, 0.0]))


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - set(FALLS_ONLY)))
def test_samplers_without_noise_go_back_to_noise(sampler: str):
    assert torch.isfinite(run(sampler, SIGMAS[:-1].flip(0), latent=Latent(torch.ones(1, 4, 8, 8)))).all()


def test_back_to_noise_and_forth_again_is_where_it_began():
    picture = Latent(torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8))
    sigmas = for_run("exponential", LEVELS, 200)[:-1]
    *_, noise = sample(Halving(), picture, Run("heun", sigmas.flip(0), 1, NoNoise()))
    *_, back = sample(Halving(), Latent(noise.latents), Run("heun", sigmas, 1, NoNoise()))
    assert torch.allclose(back.latents, picture.samples, atol=1e-3)


@pytest.mark.parametrize("level", [-3.0, math.nan, math.inf])
def test_what_is_no_noise_level_is_told(level: float):
    with pytest.raises(DiffusionError, match="no noise level"):
        run("euler", torch.tensor([10.0, level, 0.0]))


@pytest.mark.parametrize("levels", [(5.0, 0.0, 0.0), (5.0, 5.0, 1.0, 0.5, 0.5, 0.0)])
@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_levels_that_come_twice_give_numbers_or_are_told(sampler: str, levels: tuple[float, ...]):
    made, said = torch.zeros(1), ""
    try:
        made = run(sampler, torch.tensor(levels))
    except DiffusionError as told:
        said = str(told)
    assert torch.isfinite(made).all() and (not said or "the schedule " in said)  # it is not the model's fault


def test_a_schedule_that_goes_on_from_zero_is_told():
    with pytest.raises(DiffusionError, match="is at 0 before step 2, and nothing leads on"):
        run("euler", torch.tensor([5.0, 0.0, 2.0]))


@pytest.mark.parametrize("levels", [(1.0,), (0.5, 0.8, 1.0)])
def test_a_flow_models_run_that_ends_in_nothing_but_noise_is_told(levels: tuple[float, ...]):
    network = replace(Halving().network, parametrisation=Parametrisation.FLOW, levels=FlowLevels())
    with pytest.raises(DiffusionError, match="ends at 1, where"):
        run("euler", torch.tensor(levels), Halving(network))


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_no_steps_are_told_and_no_denoise_is_no_step(schedule: str):
    for make in (for_run, lambda *rest: for_sampler(rest[0], "dpm_2", *rest[1:])):
        with pytest.raises(DiffusionError, match="0 steps"):
            make(schedule, LEVELS, 0)
        assert len(make(schedule, LEVELS, 20, 0.0)) == 0
        assert list(sample(Halving(), EMPTY, Run("euler", make(schedule, LEVELS, 20, 0.0), 1))) == []


def test_latents_of_another_family_are_told_from_those_the_model_works_on():
    flux = Latent(torch.ones(1, 16, 8, 8))
    with pytest.raises(
        DiffusionError, match=r"pictures of 16 channels \(.*Flux.*\); the model works on pictures of 4"
    ):
        run("euler", latent=flux)
    video = Latent(torch.ones(1, 4, 3, 8, 8))
    with pytest.raises(DiffusionError, match="videos of 4 channels"):
        run("euler", latent=video)


def test_empty_latents_take_the_channels_and_size_of_the_family():
    form = latent_format("SD3")
    assert fitted(Latent(torch.zeros(2, 4, 8, 8)), form).shape == (2, 16, 8, 8)
    counted = Latent(torch.zeros(2, 4, 8, 8), extra={SPATIAL_RATIO: 16})
    assert fitted(counted, form).shape == (2, 16, 16, 16)
    films = latent_format("Mochi")
    assert fitted(Latent(torch.zeros(1, 4, 8, 8)), films).shape == (1, films.channels, 1, 8, 8)


def test_places_in_a_larger_batch_go_with_the_latents():
    with pytest.raises(DiffusionError, match="1 latents, but 2 places"):
        run("euler", latent=Latent(torch.zeros(1, 4, 8, 8), batch_index=(0, 1)))


def test_an_option_of_another_sampler_is_told():
    with pytest.raises(DiffusionError, match="no option order"):
        list(sample(Halving(), EMPTY, Run(chosen("heun", {"order": 2}), SIGMAS, 1)))
