"""The samplers by name: how each is called, and where its noise comes from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from nodes.diffusion.denoiser import TwoSidedDenoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource, brownian_noise, step_noise
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.sampling.cfg_pp import (
    dpmpp_2m_cfg_pp,
    dpmpp_2s_ancestral_cfg_pp,
    euler_ancestral_cfg_pp,
    euler_cfg_pp,
    gradient_estimation_cfg_pp,
)
from nodes.diffusion.sampling.deis import deis
from nodes.diffusion.sampling.dpm_solver import dpm_adaptive, dpm_fast
from nodes.diffusion.sampling.dpmpp import dpmpp_2m, dpmpp_2s_ancestral
from nodes.diffusion.sampling.dpmpp_sde import dpmpp_2m_sde, dpmpp_2m_sde_heun, dpmpp_3m_sde, dpmpp_sde
from nodes.diffusion.sampling.euler import euler, euler_ancestral, gradient_estimation
from nodes.diffusion.sampling.multistep import ipndm, ipndm_v, lms
from nodes.diffusion.sampling.res import (
    res_multistep,
    res_multistep_ancestral,
    res_multistep_ancestral_cfg_pp,
    res_multistep_cfg_pp,
)
from nodes.diffusion.sampling.sa_solver import Noisy, sa_solver, sa_solver_pece
from nodes.diffusion.sampling.second_order import dpm_2, dpm_2_ancestral, heun, heunpp2
from nodes.diffusion.sampling.seeds import exp_heun_2_x0, exp_heun_2_x0_sde, seeds_2, seeds_3
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.sampling.stochastic import ddpm, er_sde, lcm
from nodes.diffusion.sampling.uni_pc import LAST_SIGMA, uni_pc, uni_pc_bh2
from nodes.diffusion.values import Latents, Sigmas

NEARLY_START = 1e-4  # share of a run
SA_SOLVER_NOISY = (0.2, 0.8)  # shares of a run


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
        last_sigma: what it visits in place of 0.
        noisy_part: the shares of the run between which noise is renewed, for samplers that ask.
        redraws_start: inpainting holds the kept part to noise of its own, not to the run's start noise.
    """

    function: Callable[..., Iterator[Step]]
    noise: Noise = Noise.NONE
    order: int = 0
    mixed: bool = False
    clocked: bool = False
    redraws_start: bool = False
    last_sigma: float = 0.0
    noisy_part: tuple[float, float] | None = None

    def steps(
        self, denoiser: TwoSidedDenoiser, latents: Latents, sigmas: Sigmas, setting: SamplerSetting
    ) -> Iterator[Step]:
        """Walk the latents down the sigmas."""
        noise = self._source(latents, sigmas, setting.seed)
        visited = self.visited(sigmas, setting)
        function = partial(self.function, mixing=setting.mixing) if self.mixed else self.function
        if self.noisy_part is not None:
            first, last = self.noisy_part
            function = partial(
                function, noisy=Noisy(setting.levels.at_percent(first), setting.levels.at_percent(last))
            )
        if noise is None:
            return function(denoiser, latents, visited)
        return function(denoiser, latents, visited, noise=noise)

    def visited(self, sigmas: Sigmas, setting: SamplerSetting) -> Sigmas:
        """The sigmas that the sampler really goes through: it may avoid a first or last one whose clock is infinite."""
        changed = sigmas.clone()
        if self.clocked and setting.mixing is Mixing.TRADED and sigmas[0] >= 1:
            changed[0] = setting.levels.at_percent(NEARLY_START)
        if sigmas[-1] == 0:
            changed[-1] = self.last_sigma
        return changed

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


# In the order in which menus list them.
SAMPLERS: Mapping[str, Sampler] = {
    "euler": Sampler(euler, order=1),
    "euler_cfg_pp": Sampler(euler_cfg_pp, mixed=True),
    "euler_ancestral": _ancestral(euler_ancestral),
    "euler_ancestral_cfg_pp": _ancestral(euler_ancestral_cfg_pp),
    "heun": Sampler(heun, order=2),
    "heunpp2": Sampler(heunpp2, order=1),
    "exp_heun_2_x0": Sampler(exp_heun_2_x0, order=2, mixed=True, clocked=True),
    "exp_heun_2_x0_sde": _sde(exp_heun_2_x0_sde, Noise.PER_STEP),
    "dpm_2": Sampler(dpm_2, order=2),
    "dpm_2_ancestral": _ancestral(dpm_2_ancestral),
    "lms": Sampler(lms),
    "dpm_fast": Sampler(dpm_fast),
    "dpm_adaptive": Sampler(dpm_adaptive),
    "dpmpp_2s_ancestral": _ancestral(dpmpp_2s_ancestral),
    "dpmpp_2s_ancestral_cfg_pp": Sampler(dpmpp_2s_ancestral_cfg_pp, Noise.PER_STEP),
    "dpmpp_sde": _sde(dpmpp_sde),
    "dpmpp_sde_gpu": _sde(dpmpp_sde),
    "dpmpp_2m": Sampler(dpmpp_2m, order=2),
    "dpmpp_2m_cfg_pp": Sampler(dpmpp_2m_cfg_pp),
    "dpmpp_2m_sde": _sde(dpmpp_2m_sde),
    "dpmpp_2m_sde_gpu": _sde(dpmpp_2m_sde),
    "dpmpp_2m_sde_heun": _sde(dpmpp_2m_sde_heun),
    "dpmpp_2m_sde_heun_gpu": _sde(dpmpp_2m_sde_heun),
    "dpmpp_3m_sde": _sde(dpmpp_3m_sde),
    "dpmpp_3m_sde_gpu": _sde(dpmpp_3m_sde),
    "ddpm": Sampler(ddpm, Noise.PER_STEP),
    "lcm": _ancestral(lcm),
    "ipndm": Sampler(ipndm, order=2),
    "ipndm_v": Sampler(ipndm_v),
    "deis": Sampler(deis),
    "res_multistep": Sampler(res_multistep, order=2),
    "res_multistep_cfg_pp": Sampler(res_multistep_cfg_pp),
    "res_multistep_ancestral": Sampler(res_multistep_ancestral, Noise.PER_STEP),
    "res_multistep_ancestral_cfg_pp": Sampler(res_multistep_ancestral_cfg_pp, Noise.PER_STEP),
    "gradient_estimation": Sampler(gradient_estimation, order=1),
    "gradient_estimation_cfg_pp": Sampler(gradient_estimation_cfg_pp),
    "er_sde": _sde(er_sde, Noise.PER_STEP),
    "seeds_2": _sde(seeds_2, Noise.PER_STEP),
    "seeds_3": _sde(seeds_3, Noise.PER_STEP),
    "sa_solver": Sampler(sa_solver, Noise.PER_STEP, mixed=True, clocked=True, noisy_part=SA_SOLVER_NOISY),
    "sa_solver_pece": Sampler(
        sa_solver_pece, Noise.PER_STEP, mixed=True, clocked=True, noisy_part=SA_SOLVER_NOISY
    ),
    "ddim": Sampler(euler, order=1, redraws_start=True),
    "uni_pc": Sampler(uni_pc, order=2, last_sigma=LAST_SIGMA),
    "uni_pc_bh2": Sampler(uni_pc_bh2, order=2, last_sigma=LAST_SIGMA),
}
