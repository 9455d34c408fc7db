"""The samplers by name: how each is called, and where its noise comes from."""

from collections.abc import Callable, Iterator, Mapping

from nodes.diffusion.sampling.cfg_pp import (
    dpmpp_2m_cfg_pp,
    dpmpp_2s_ancestral_cfg_pp,
    euler_ancestral_cfg_pp,
    euler_cfg_pp,
    euler_cfg_pp_alternative,
    gradient_estimation_cfg_pp,
)
from nodes.diffusion.sampling.deis import deis
from nodes.diffusion.sampling.dpm_solver import dpm_adaptive, dpm_fast
from nodes.diffusion.sampling.dpmpp import dpmpp_2m, dpmpp_2s_ancestral
from nodes.diffusion.sampling.dpmpp_sde import (
    SecondOrder,
    dpmpp_2m_sde,
    dpmpp_2m_sde_heun,
    dpmpp_3m_sde,
    dpmpp_sde,
)
from nodes.diffusion.sampling.euler import euler, euler_ancestral, gradient_estimation
from nodes.diffusion.sampling.multistep import ipndm, ipndm_v, lms
from nodes.diffusion.sampling.res import (
    res_multistep,
    res_multistep_ancestral,
    res_multistep_ancestral_cfg_pp,
    res_multistep_cfg_pp,
)
from nodes.diffusion.sampling.sa_solver import Noisy, sa_solver, sa_solver_pece
from nodes.diffusion.sampling.sampler import Noise, Sampler
from nodes.diffusion.sampling.second_order import dpm_2, dpm_2_ancestral, heun, heunpp2
from nodes.diffusion.sampling.seeds import Joining, exp_heun_2_x0, exp_heun_2_x0_sde, seeds_2, seeds_3
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.sampling.stochastic import Renewal, ddpm, er_sde, lcm, lcm_upscale
from nodes.diffusion.sampling.uni_pc import LAST_SIGMA, uni_pc, uni_pc_bh2

SA_SOLVER_NOISY = (0.2, 0.8)  # shares of a run


def _churning(function: Callable[..., Iterator[Step]], order: int) -> Sampler:
    return Sampler(function, Noise.CONTINUED, order, mixed=True, noisy_if="s_churn")


def _ancestral(function: Callable[..., Iterator[Step]]) -> Sampler:
    return Sampler(function, Noise.PER_STEP, mixed=True)


def _sde(
    function: Callable[..., Iterator[Step]],
    noise: Noise = Noise.BROWNIAN,
    reads: Mapping[str, Callable[[str], object]] | None = None,
) -> Sampler:
    return Sampler(function, noise, mixed=True, clocked=True, reads=reads or {})


def _adams(function: Callable[..., Iterator[Step]]) -> Sampler:
    return Sampler(
        function,
        Noise.PER_STEP,
        mixed=True,
        clocked=True,
        noisy_part=SA_SOLVER_NOISY,
        reads={"noisy": lambda ends: Noisy(*ends)},
    )


# In the order in which menus list them.
SAMPLERS: Mapping[str, Sampler] = {
    "euler": _churning(euler, order=1),
    "euler_cfg_pp": Sampler(euler_cfg_pp, mixed=True),
    "euler_ancestral": _ancestral(euler_ancestral),
    "euler_ancestral_cfg_pp": _ancestral(euler_ancestral_cfg_pp),
    "heun": _churning(heun, order=2),
    "heunpp2": Sampler(heunpp2, order=1),
    "exp_heun_2_x0": Sampler(exp_heun_2_x0, order=2, mixed=True, clocked=True),
    "exp_heun_2_x0_sde": _sde(exp_heun_2_x0_sde, Noise.PER_STEP),
    "dpm_2": _churning(dpm_2, order=2),
    "dpm_2_ancestral": _ancestral(dpm_2_ancestral),
    "lms": Sampler(lms),
    "dpm_fast": Sampler(dpm_fast),
    "dpm_adaptive": Sampler(dpm_adaptive, Noise.PER_STEP, noisy_if="eta", goes_up=False),
    "dpmpp_2s_ancestral": _ancestral(dpmpp_2s_ancestral),
    "dpmpp_2s_ancestral_cfg_pp": Sampler(dpmpp_2s_ancestral_cfg_pp, Noise.PER_STEP),
    "dpmpp_sde": _sde(dpmpp_sde),
    "dpmpp_sde_gpu": _sde(dpmpp_sde, Noise.BROWNIAN_ON_DEVICE),
    "dpmpp_2m": Sampler(dpmpp_2m, order=2),
    "dpmpp_2m_cfg_pp": Sampler(dpmpp_2m_cfg_pp),
    "dpmpp_2m_sde": _sde(dpmpp_2m_sde, reads={"second_order": SecondOrder}),
    "dpmpp_2m_sde_gpu": _sde(dpmpp_2m_sde, Noise.BROWNIAN_ON_DEVICE, {"second_order": SecondOrder}),
    "dpmpp_2m_sde_heun": _sde(dpmpp_2m_sde_heun),
    "dpmpp_2m_sde_heun_gpu": _sde(dpmpp_2m_sde_heun, Noise.BROWNIAN_ON_DEVICE),
    "dpmpp_3m_sde": _sde(dpmpp_3m_sde),
    "dpmpp_3m_sde_gpu": _sde(dpmpp_3m_sde, Noise.BROWNIAN_ON_DEVICE),
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
    "er_sde": _sde(er_sde, Noise.PER_STEP, {"renewal": Renewal}),
    "seeds_2": _sde(seeds_2, Noise.PER_STEP, {"joining": Joining}),
    "seeds_3": _sde(seeds_3, Noise.PER_STEP),
    "sa_solver": _adams(sa_solver),
    "sa_solver_pece": _adams(sa_solver_pece),
    "ddim": Sampler(euler, Noise.CONTINUED, order=1, mixed=True, noisy_if="s_churn", redraws_start=True),
    "uni_pc": Sampler(uni_pc, order=2, last_sigma=LAST_SIGMA),
    "uni_pc_bh2": Sampler(uni_pc_bh2, order=2, last_sigma=LAST_SIGMA),
}

# No menu lists these: nodes of their own choose them.
MORE_SAMPLERS: Mapping[str, Sampler] = {
    "euler_cfg_pp_alternative": Sampler(euler_cfg_pp_alternative),
    "lcm_upscale": Sampler(lcm_upscale, Noise.CONTINUED),
}
