"""The samplers by name: how each is called, and where its noise comes from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from torch import Tensor

from nodes.diffusion.denoiser import Denoiser
from nodes.diffusion.noise import NoiseSource, brownian_noise, step_noise
from nodes.diffusion.sampling.dpmpp import dpmpp_2m, dpmpp_2m_sde
from nodes.diffusion.sampling.euler import euler, euler_ancestral
from nodes.diffusion.sampling.second_order import dpm_2, heun
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.sampling.stochastic import ddpm, lcm

Deterministic = Callable[[Denoiser, Tensor, Tensor], Iterator[Step]]
Stochastic = Callable[[Denoiser, Tensor, Tensor, NoiseSource], Iterator[Step]]


class Noise(Enum):
    """Where a sampler's fresh noise comes from."""

    NONE = auto()
    PER_STEP = auto()
    BROWNIAN = auto()


@dataclass(frozen=True, slots=True)
class Sampler:
    """One row.

    Attributes:
        order: of convergence, for samplers without noise; 0 where it has no meaning.
        redraws_start: inpainting holds the kept part to noise of its own, not to the run's start noise.
    """

    function: Callable[..., Iterator[Step]]
    noise: Noise = Noise.NONE
    order: int = 0
    redraws_start: bool = False

    def steps(self, denoiser: Denoiser, latents: Tensor, sigmas: Tensor, seed: int) -> Iterator[Step]:
        """Walk the latents down the sigmas."""
        if self.noise is Noise.NONE:
            return self.function(denoiser, latents, sigmas)
        brownian = self.noise is Noise.BROWNIAN
        source = brownian_noise(latents, sigmas, seed) if brownian else step_noise(latents, seed)
        return self.function(denoiser, latents, sigmas, source)


SAMPLERS: Mapping[str, Sampler] = {
    "euler": Sampler(euler, order=1),
    "euler_ancestral": Sampler(euler_ancestral, Noise.PER_STEP),
    "heun": Sampler(heun, order=2),
    "dpm_2": Sampler(dpm_2, order=2),
    "dpmpp_2m": Sampler(dpmpp_2m, order=2),
    "dpmpp_2m_sde": Sampler(dpmpp_2m_sde, Noise.BROWNIAN),
    "dpmpp_2m_sde_gpu": Sampler(dpmpp_2m_sde, Noise.BROWNIAN),
    "ddpm": Sampler(ddpm, Noise.PER_STEP),
    "lcm": Sampler(lcm, Noise.PER_STEP),
    "ddim": Sampler(euler, order=1, redraws_start=True),
}
