"""Samplers in one node: from noise and conditions to latents."""

from typing import Annotated

from nodes.builtin.kinds import ConditioningIn, LatentIn, LatentOut, ModelIn
from nodes.builtin.models import models
from nodes.builtin.sampling.inputs import Cfg, Denoise, SamplerName, ScheduleName, Seed, Step, Steps
from nodes.builtin.sampling.running import check_names, sampled
from nodes.diffusion.guidance import Guided
from nodes.diffusion.noise import NoNoise, SeededNoise
from nodes.diffusion.sampling import Run, window
from nodes.diffusion.schedules import for_sampler
from nodes.spec import Combo, Context, node


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
    denoise: Denoise = 1.0,
) -> LatentOut:
    """Turn noise into latents that fit the prompts. `denoise` below 1 keeps part of the latents that come in."""
    check_names(sampler_name, scheduler)
    with models(ctx, model, latent_image) as loaded:
        network = loaded.network(model)
        sigmas = for_sampler(scheduler, sampler_name, network.levels, steps, denoise)
        run = Run(sampler_name, sigmas, seed, differential=model.settings.differential)
        guided = Guided(network, positive, negative, cfg, loaded.control, model.rules)
        return sampled(ctx, loaded, guided, latent_image, run).latent


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
    check_names(sampler_name, scheduler)
    with models(ctx, model, latent_image) as loaded:
        network = loaded.network(model)
        whole = for_sampler(scheduler, sampler_name, network.levels, steps)
        part = window(
            whole, start_at_step, end_at_step, leftover_noise=return_with_leftover_noise == "enable"
        )
        noise = SeededNoise(noise_seed) if add_noise == "enable" else NoNoise(noise_seed)
        guided = Guided(network, positive, negative, cfg, loaded.control, model.rules)
        return sampled(ctx, loaded, guided, latent_image, Run(sampler_name, part, noise_seed, noise)).latent


NODES = (ksampler, ksampler_advanced)
