"""The samplers by name: how each is called, and where its noise comes from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from nodes.diffusion.denoiser import TwoSidedDenoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource, brownian_noise, step_noise
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.sampling.dpmpp import dpmpp_2m, dpmpp_2s_ancestral
from nodes.diffusion.sampling.dpmpp_sde import dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_3m_sde, dpmpp_sde
from nodes.diffusion.sampling.euler import euler, euler_ancestral, gradient_estimation
from nodes.diffusion.sampling.multistep import ipndm, ipndm_v, lms
from nodes.diffusion.sampling.second_order import dpm_2, dpm_2_ancestral, heun, heunpp2
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.sampling.stochastic import ddpm, er_sde, lcm
from nodes.diffusion.values import Latents, Sigmas

NEARLY_START = 1e-4  # share of a run


class Noise(Enum):
    """Where a sampler's fresh noise comes from."""

    NONE = auto()
    PER_STEP = auto()
    BROWNIAN = auto()


@dataclass(frozen=True, slots=True)
class SamplerSetting:
    """What a sampler may ask of the run.

    Attributes:
        seed: of the noise it adds. mixing: how noise lies in the latents. levels: of the network.
    """

    seed: int
    mixing: Mixing
    levels: NoiseLevels


@dataclass(frozen=True, slots=True)
class Sampler:
    """One row.

    Attributes:
        order: of convergence, for samplers without noise; 0 where steps of lower order at the start or end hide it.
        mixed: asks how noise lies in the latents.
        clocked: needs the first sigma's clock to be finite; where noise is traded, it starts a hair lower.
        redraws_start: inpainting holds the kept part to noise of its own, not to the run's start noise.
    """

    function: Callable[..., Iterator[Step]]
    noise: Noise = Noise.NONE
    order: int = 0
    mixed: bool = False
    clocked: bool = False
    redraws_start: bool = False

    def steps(
        self, denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas, setting: SamplerSetting
    ) -> Iterator[Step]:
        """Walk the latents down the sigmas."""
        noise = self._source(latents, sigmas, setting.seed)
        if self.clocked and setting.mixing is Mixing.TRADED and sigmas[0] >= 1:
            sigmas = sigmas.clone()
            sigmas[0] = setting.levels.at_percent(NEARLY_START)
        function = partial(self.function, mixing=setting.mixing) if self.mixed else self.function
        if noise is None:
            return function(denoiser, latents, sigmas)
        return function(denoiser, latents, sigmas, noise=noise)

    def _source(self, latents: Latents, sigmas: Sigmas, seed: int) -> NoiseSource | None:
        match self.noise:
            case Noise.NONE:
                return None
            case Noise.PER_STEP:
                return step_noise(latents, seed)
            case Noise.BROWNIAN:
                return brownian_noise(latents, sigmas, seed)


def _ancestral(function: Callable[..., Iterator[Step]]) -> Sampler:
    return Sampler(function, Noise.PER_STEP, mixed=True)


def _sde(function: Callable[..., Iterator[Step]], noise: Noise = Noise.BROWNIAN) -> Sampler:
    return Sampler(function, noise, mixed=True, clocked=True)


SAMPLERS: Mapping[str, Sampler] = {
    "euler": Sampler(euler, order=1),
    "euler_ancestral": _ancestral(euler_ancestral),
    "heun": Sampler(heun, order=2),
    "heunpp2": Sampler(heunpp2),
    "dpm_2": Sampler(dpm_2, order=2),
    "dpm_2_ancestral": _ancestral(dpm_2_ancestral),
    "lms": Sampler(lms),
    "dpmpp_2s_ancestral": _ancestral(dpmpp_2s_ancestral),
    "dpmpp_sde": _sde(dpmpp_sde),
    "dpmpp_sde_gpu": _sde(dpmpp_sde),
    "dpmpp_2m": Sampler(dpmpp_2m, order=2),
    "dpmpp_2m_sde": _sde(dpmpp_2m_sde),
    "dpmpp_2m_sde_gpu": _sde(dpmpp_2m_sde),
    "dpmpp_2m_sde_heun": _sde(dpmpp_2m_sde_heun),
    "dpmpp_2m_sde_heun_gpu": _sde(dpmpp_2m_sde_heun),
    "dpmpp_3m_sde": _sde(dpmpp_3m_sde),
    "dpmpp_3m_sde_gpu": _sde(dpmpp_3m_sde),
    "ddpm": Sampler(ddpm, Noise.PER_STEP),
    "lcm": _ancestral(lcm),
    "ipndm": Sampler(ipndm),
    "ipndm_v": Sampler(ipndm_v),
    "gradient_estimation": Sampler(gradient_estimation),
    "er_sde": _sde(er_sde, Noise.PER_STEP),
    "ddim": Sampler(euler, order=1, redraws_start=True),
}
