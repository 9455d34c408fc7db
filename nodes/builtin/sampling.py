"""Samplers: from noise and conditions to latents."""

from typing import Annotated

from nodes.builtin.kinds import ConditioningIn, LatentIn, LatentOut, ModelIn
from nodes.builtin.models import models
from nodes.builtin.previews import preview
from nodes.diffusion.guidance import Guided
from nodes.diffusion.pool import Session
from nodes.diffusion.sampling import SAMPLERS, Run, sample
from nodes.diffusion.sampling.loop import window
from nodes.diffusion.schedules import SCHEDULES, for_sampler
from nodes.diffusion.values import Conditioning, Latent, Model
from nodes.spec import Combo, Context, Float, Int, NodeError, node

SAMPLER_NAMES = tuple(
    """euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 exp_heun_2_x0 exp_heun_2_x0_sde dpm_2
    dpm_2_ancestral lms dpm_fast dpm_adaptive dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu
    dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde dpmpp_2m_sde_gpu dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu dpmpp_3m_sde
    dpmpp_3m_sde_gpu ddpm lcm ipndm ipndm_v deis res_multistep res_multistep_cfg_pp res_multistep_ancestral
    res_multistep_ancestral_cfg_pp gradient_estimation gradient_estimation_cfg_pp er_sde seeds_2 seeds_3 sa_solver
    sa_solver_pece ddim uni_pc uni_pc_bh2""".split()
)
SCHEDULE_NAMES = tuple(
    "simple sgm_uniform karras exponential ddim_uniform beta normal linear_quadratic kl_optimal".split()
)
Seed = Annotated[int, Int(minimum=0, maximum=2**64 - 1, seed=True)]
Steps = Annotated[int, Int(minimum=1, maximum=10000)]
Cfg = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.1, round=0.01)]
SamplerName = Annotated[str, Combo(SAMPLER_NAMES)]
ScheduleName = Annotated[str, Combo(SCHEDULE_NAMES)]
Step = Annotated[int, Int(minimum=0, maximum=10000)]


@node("KSampler", category="sampling")
def ksampler(
    ctx: Context,
    *,
    model: ModelIn,
    seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: ScheduleName,
    positive: ConditioningIn,
    negative: ConditioningIn,
    latent_image: LatentIn,
    denoise: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 1.0,
) -> LatentOut:
    """Turn noise into latents that fit the prompts. `denoise` below 1 keeps part of the latents that come in."""
    _check_names(sampler_name, scheduler)
    with models(ctx) as loaded:
        levels = loaded.network(model).levels
        run = Run(sampler_name, for_sampler(scheduler, sampler_name, levels, steps, denoise), seed)
        return _sampled(ctx, loaded, model, latent_image, run, positive, negative, cfg)


@node("KSamplerAdvanced", name="KSampler (Advanced)", category="sampling")
def ksampler_advanced(
    ctx: Context,
    *,
    model: ModelIn,
    add_noise: Annotated[str, Combo(("enable", "disable"))],
    noise_seed: Seed = 0,
    steps: Steps = 20,
    cfg: Cfg = 8.0,
    sampler_name: SamplerName,
    scheduler: ScheduleName,
    positive: ConditioningIn,
    negative: ConditioningIn,
    latent_image: LatentIn,
    start_at_step: Step = 0,
    end_at_step: Step = 10000,
    return_with_leftover_noise: Annotated[str, Combo(("disable", "enable"))],
) -> LatentOut:
    """A part of a run: from one step to another, with or without new noise, so that samplers can follow each other."""
    _check_names(sampler_name, scheduler)
    with models(ctx) as loaded:
        whole = for_sampler(scheduler, sampler_name, loaded.network(model).levels, steps)
        part = window(
            whole, start_at_step, end_at_step, leftover_noise=return_with_leftover_noise == "enable"
        )
        run = Run(sampler_name, part, noise_seed, adds_noise=add_noise == "enable")
        return _sampled(ctx, loaded, model, latent_image, run, positive, negative, cfg)


def _check_names(sampler: str, schedule: str) -> None:
    if sampler not in SAMPLERS:
        known = ", ".join(sorted(SAMPLERS))
        raise NodeError(f"The sampler {sampler} is not in Weft yet.", f"Choose one of: {known}.")
    if schedule not in SCHEDULES:
        raise NodeError(f"There is no schedule {schedule!r}.", f"Choose one of: {', '.join(SCHEDULES)}.")


def _sampled(
    ctx: Context,
    loaded: Session,
    model: Model,
    latent: Latent,
    run: Run,
    positive: Conditioning,
    negative: Conditioning,
    cfg: float,
) -> Latent:
    network = loaded.network(model)
    for warning in loaded.warnings:
        ctx.say(warning)
    guided = Guided(network, positive, negative, cfg, loaded.control, model.rules)
    total = len(run.sigmas) - 1
    result = latent.samples
    for step in sample(guided, latent, run):
        result = step.latents
        ctx.progress(step.index + 1, total, preview(ctx, step.denoised, network.latent_format))
    return latent.with_samples(result)


NODES = (ksampler, ksampler_advanced)
