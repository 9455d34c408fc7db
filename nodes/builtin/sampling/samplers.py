"""Samplers as values, each with what can be set on it."""

from typing import Annotated

from nodes.builtin.kinds import ModelIn, SamplerOut
from nodes.builtin.models import models
from nodes.builtin.sampling.inputs import SAMPLER_NAMES
from nodes.builtin.sampling.running import check_names
from nodes.diffusion.sampling import SamplerChoice, chosen
from nodes.spec import Boolean, Combo, Context, Float, Int, node

CATEGORY = "sampling/custom_sampling/samplers"
Setting = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01, round=False)]
NoiseDevice = Annotated[str, Combo(("gpu", "cpu"), bare=False)]
METHODS = ("bislerp", "nearest-exact", "bilinear", "area", "bicubic")


@node("KSamplerSelect", category=CATEGORY)
def ksampler_select(
    ctx: Context, sampler_name: Annotated[str, Combo(SAMPLER_NAMES, bare=False)]
) -> SamplerOut:
    """A sampler by its name, with its usual settings."""
    check_names(sampler_name, "normal")
    return SamplerChoice(sampler_name)


@node("SamplerEulerAncestral", category=CATEGORY)
def sampler_euler_ancestral(ctx: Context, eta: Setting = 1.0, s_noise: Setting = 1.0) -> SamplerOut:
    """Euler with fresh noise at each step: `eta` says how much, `s_noise` how strong."""
    return chosen("euler_ancestral", {"eta": eta, "s_noise": s_noise})


@node("SamplerEulerAncestralCFGPP", name="SamplerEulerAncestralCFG++", category=CATEGORY)
def sampler_euler_ancestral_cfg_pp(
    ctx: Context,
    eta: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01, round=False)] = 1.0,
    s_noise: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01, round=False)] = 1.0,
) -> SamplerOut:
    """Euler with fresh noise for CFG++, whose guidance scale is low: 1 to 2."""
    return chosen("euler_ancestral_cfg_pp", {"eta": eta, "s_noise": s_noise})


@node("SamplerEulerCFGpp", name="SamplerEulerCFG++", category="_for_testing", experimental=True)
def sampler_euler_cfg_pp(
    ctx: Context, version: Annotated[str, Combo(("regular", "alternative"), bare=False)]
) -> SamplerOut:
    """Euler for CFG++, whose guidance scale is low: 1 to 2."""
    return SamplerChoice("euler_cfg_pp" if version == "regular" else "euler_cfg_pp_alternative")


@node("SamplerLMS", category=CATEGORY)
def sampler_lms(ctx: Context, order: Annotated[int, Int(minimum=1, maximum=100)] = 4) -> SamplerOut:
    """Linear multistep: `order` past steps carry the next one. Above 4 it soon becomes unstable."""
    return chosen("lms", {"order": order})


@node("SamplerDPMPP_2S_Ancestral", category=CATEGORY)
def sampler_dpmpp_2s_ancestral(ctx: Context, eta: Setting = 1.0, s_noise: Setting = 1.0) -> SamplerOut:
    """DPM-Solver++ in two stages, with fresh noise at each step."""
    return chosen("dpmpp_2s_ancestral", {"eta": eta, "s_noise": s_noise})


@node("SamplerDPMPP_SDE", category=CATEGORY)
def sampler_dpmpp_sde(
    ctx: Context,
    *,
    eta: Setting = 1.0,
    s_noise: Setting = 1.0,
    r: Setting = 0.5,
    noise_device: NoiseDevice,
) -> SamplerOut:
    """DPM-Solver++ for the SDE in two stages, the second at the share `r` of the step."""
    return chosen(_placed("dpmpp_sde", noise_device), {"eta": eta, "s_noise": s_noise, "r": r})


@node("SamplerDPMPP_2M_SDE", category=CATEGORY)
def sampler_dpmpp_2m_sde(
    ctx: Context,
    *,
    solver_type: Annotated[str, Combo(("midpoint", "heun"), bare=False)],
    eta: Setting = 1.0,
    s_noise: Setting = 1.0,
    noise_device: NoiseDevice,
) -> SamplerOut:
    """DPM-Solver++ for the SDE, one call of the model a step; at `eta` 0 it adds no noise."""
    options = {"eta": eta, "s_noise": s_noise, "second_order": solver_type}
    return chosen(_placed("dpmpp_2m_sde", noise_device), options)


@node("SamplerDPMPP_3M_SDE", category=CATEGORY)
def sampler_dpmpp_3m_sde(
    ctx: Context, *, eta: Setting = 1.0, s_noise: Setting = 1.0, noise_device: NoiseDevice
) -> SamplerOut:
    """DPM-Solver++ of third order for the SDE, one call of the model a step."""
    return chosen(_placed("dpmpp_3m_sde", noise_device), {"eta": eta, "s_noise": s_noise})


@node("SamplerDPMAdaptative", category=CATEGORY)
def sampler_dpm_adaptive(
    ctx: Context,
    order: Annotated[int, Int(minimum=2, maximum=3)] = 3,
    rtol: Setting = 0.05,
    atol: Setting = 0.0078,
    h_init: Setting = 0.05,
    pcoeff: Setting = 0.0,
    icoeff: Setting = 1.0,
    dcoeff: Setting = 0.0,
    accept_safety: Setting = 0.81,
    eta: Setting = 0.0,
    s_noise: Setting = 1.0,
) -> SamplerOut:
    """DPM-Solver that chooses its own steps; of the schedule only the ends count.

    `rtol` and `atol` say how exact it is, `h_init` how long the first step is, the coefficients how the length follows
    the error.
    """
    return chosen(
        "dpm_adaptive",
        {
            "order": order,
            "rtol": rtol,
            "atol": atol,
            "h_init": h_init,
            "pcoeff": pcoeff,
            "icoeff": icoeff,
            "dcoeff": dcoeff,
            "accept_safety": accept_safety,
            "eta": eta,
            "s_noise": s_noise,
        },
    )


@node("SamplerER_SDE", category=CATEGORY)
def sampler_er_sde(
    ctx: Context,
    *,
    solver_type: Annotated[str, Combo(("ER-SDE", "Reverse-time SDE", "ODE"), bare=False)],
    max_stage: Annotated[int, Int(minimum=1, maximum=3)] = 3,
    eta: Setting = 1.0,
    s_noise: Setting = 1.0,
) -> SamplerOut:
    """Extended reverse-time SDE of order `max_stage`. `eta` counts for the reverse-time SDE alone, where 0 adds no noise."""
    options = {"renewal": solver_type, "max_stage": max_stage, "eta": eta, "s_noise": s_noise}
    return chosen("er_sde", options)


@node("SamplerSEEDS2", category=CATEGORY)
def sampler_seeds_2(
    ctx: Context,
    *,
    solver_type: Annotated[str, Combo(("phi_1", "phi_2"), bare=False)],
    eta: Setting = 1.0,
    s_noise: Setting = 1.0,
    r: Annotated[float, Float(minimum=0.01, maximum=1.0, step=0.01, round=False)] = 0.5,
) -> SamplerOut:
    """SEEDS in two stages, the second at the share `r` of the step."""
    return chosen("seeds_2", {"joining": solver_type, "eta": eta, "s_noise": s_noise, "r": r})


@node("SamplerSASolver", category=CATEGORY)
def sampler_sa_solver(
    ctx: Context,
    *,
    model: ModelIn,
    eta: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01, round=False)] = 1.0,
    sde_start_percent: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)] = 0.2,
    sde_end_percent: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)] = 0.8,
    s_noise: Setting = 1.0,
    predictor_order: Annotated[int, Int(minimum=1, maximum=6)] = 3,
    corrector_order: Annotated[int, Int(minimum=0, maximum=6)] = 4,
    use_pece: Annotated[bool, Boolean()],
    simple_order_2: Annotated[bool, Boolean()],
) -> SamplerOut:
    """Stochastic Adams methods: predict, correct, and add noise between two shares of the run.

    `use_pece` asks the model again after each correction; `simple_order_2` is steadier where steps are few.
    """
    with models(ctx) as loaded:
        levels = loaded.network(model).levels
    return chosen(
        "sa_solver",
        {
            "eta": eta,
            "noisy": (levels.at_percent(sde_start_percent), levels.at_percent(sde_end_percent)),
            "s_noise": s_noise,
            "predictor_order": predictor_order,
            "corrector_order": corrector_order,
            "again": use_pece,
            "simple_order_2": simple_order_2,
        },
    )


@node("SamplerLCMUpscale", category=CATEGORY)
def sampler_lcm_upscale(
    ctx: Context,
    *,
    scale_ratio: Annotated[float, Float(minimum=0.1, maximum=20.0, step=0.01)] = 1.0,
    scale_steps: Annotated[int, Int(minimum=-1, maximum=1000, step=1)] = -1,
    upscale_method: Annotated[str, Combo(METHODS, bare=False)],
) -> SamplerOut:
    """LCM that makes the latents larger over its first steps; -1 steps is half of them."""
    return chosen("lcm_upscale", {"ratio": scale_ratio, "steps": scale_steps, "method": upscale_method})


def _placed(name: str, device: str) -> str:
    """The name under which the same sampler draws its noise on the device."""
    return f"{name}_gpu" if device == "gpu" else name


NODES = (
    ksampler_select,
    sampler_euler_ancestral,
    sampler_euler_ancestral_cfg_pp,
    sampler_euler_cfg_pp,
    sampler_lms,
    sampler_dpmpp_2s_ancestral,
    sampler_dpmpp_sde,
    sampler_dpmpp_2m_sde,
    sampler_dpmpp_3m_sde,
    sampler_dpm_adaptive,
    sampler_er_sde,
    sampler_seeds_2,
    sampler_sa_solver,
    sampler_lcm_upscale,
)
