"""Every sampler and schedule on every kind of model: finite, and near the data that the model knows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor

from nodes.diffusion.continuous_levels import AngleLevels, CosineLevels, EdmLevels, ShareLevels
from nodes.diffusion.denoiser import LatentFormat, Parametrisation, denoised_from, network_input
from nodes.diffusion.level_recipes import LevelsRecipe, OwnLevels, built
from nodes.diffusion.noise_levels import FlowLevels, NoiseLevels, flux_levels, from_betas, scaled_linear_betas
from nodes.diffusion.sampling import SAMPLERS, Run, sample
from nodes.diffusion.schedules import SCHEDULES, for_sampler
from nodes.diffusion.values import Latent
from tests.diffusion.sampling.gaussian import Gaussian
from tests.diffusion.sampling.test_guidance import Echo

SD = from_betas(scaled_linear_betas())
MODELS: dict[str, tuple[Parametrisation, LevelsRecipe]] = {
    "eps": (Parametrisation.EPS, OwnLevels()),
    "v, zero terminal snr": (Parametrisation.V, OwnLevels(zero_terminal_snr=True)),
    "x0": (Parametrisation.X0, OwnLevels()),
    "image to image": (Parametrisation.IMAGE_TO_IMAGE, OwnLevels()),
    "lcm": (Parametrisation.CONSISTENCY, OwnLevels(distilled=50)),
    "edm": (Parametrisation.EDM, EdmLevels()),
    "continuous v": (Parametrisation.V, AngleLevels()),
    "cosmos": (Parametrisation.COSMOS, ShareLevels()),
    "cascade": (Parametrisation.EPS, CosineLevels(2.0)),
    "sd3": (Parametrisation.FLOW, FlowLevels(3.0)),
    "aura flow": (Parametrisation.FLOW, FlowLevels(1.73, 1.0)),
    "flux": (Parametrisation.FLOW, flux_levels()),
}
STEPS = 12
FOR_EACH_SAMPLER = (
    "v, zero terminal snr",
    "edm",
    "cosmos",
    "cascade",
    "sd3",
    "flux",
)  # the widest and the narrowest ranges
# The field's rule for these adds noise as if the clean latents kept their share: known answers hold us to it.
AS_IF_ADDED = {
    "ddpm",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "dpmpp_2s_ancestral_cfg_pp",
}
EMPTY = Latent(torch.zeros(1, 4, 16, 16))


@dataclass
class Knowing:
    """A guider whose network predicts, in its own terms, what a Gaussian's exact denoiser says."""

    parametrisation: Parametrisation
    levels: NoiseLevels
    network: Echo = field(init=False)
    unread: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        form = LatentFormat(scale=1.0)
        self.network = replace(
            Echo(), levels=self.levels, parametrisation=self.parametrisation, latent_format=form
        )

    def start(
        self,
        seed: int,
        shape: Sequence[int],
        latents: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """It remembers nothing of a run."""

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        return self.both(latents, sigma)[0]

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        kind, timestep = self.parametrisation, self.levels.timestep(sigma.reshape(1)).float()
        assert torch.isfinite(network_input(kind, latents, sigma)).all()
        wanted = Gaussian(mixing=kind.mixing)(latents, sigma)
        nothing = denoised_from(kind, latents, sigma, torch.zeros_like(latents), timestep)
        slope = denoised_from(kind, torch.zeros_like(latents), sigma, torch.ones_like(latents), timestep)
        denoised = denoised_from(kind, latents, sigma, (wanted - nothing) / slope, timestep)
        return denoised, denoised


def drawn(model: str, sampler: str, schedule: str) -> Tensor:
    kind, recipe = MODELS[model]
    levels = built(recipe, SD)
    sigmas = for_sampler(schedule, sampler, levels, STEPS)
    *_, last = sample(Knowing(kind, levels), EMPTY, Run(sampler, sigmas, 3))
    return last.latents


@pytest.mark.parametrize("model", FOR_EACH_SAMPLER)
@pytest.mark.parametrize("sampler", sorted(name for name in SAMPLERS if not name.endswith("_gpu")))
def test_every_sampler_comes_near_the_data_on_every_kind_of_model(model: str, sampler: str):
    values = drawn(model, sampler, "sgm_uniform")
    assert torch.isfinite(values).all()
    if sampler in AS_IF_ADDED and MODELS[model][0] is Parametrisation.FLOW:
        return
    assert float(values.mean()) == pytest.approx(0.7, abs=0.25)
    assert 0.05 < float(values.std()) < 1.0


@pytest.mark.parametrize("model", sorted(MODELS))
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_every_schedule_does(model: str, schedule: str):
    values = drawn(model, "euler", schedule)
    assert torch.isfinite(values).all()
    assert float(values.mean()) == pytest.approx(0.7, abs=0.25)
