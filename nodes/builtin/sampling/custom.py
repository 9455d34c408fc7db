"""Sampling from parts: a sampler with its options, a schedule, and noise, each from a node of its own."""

from typing import Annotated

from nodes.builtin.kinds import ConditioningIn, LatentIn, ModelIn, SamplerIn, SigmasIn
from nodes.builtin.models import models
from nodes.builtin.sampling.inputs import Cfg, Seed
from nodes.builtin.sampling.running import sampled
from nodes.diffusion.guidance import Guided
from nodes.diffusion.noise import NoNoise, SeededNoise
from nodes.diffusion.sampling import Run
from nodes.diffusion.values import Latent
from nodes.spec import Boolean, Context, Out, node

Output = Annotated[Latent, Out("LATENT", "output")]
DenoisedOutput = Annotated[Latent, Out("LATENT", "denoised_output")]


@node("SamplerCustom", category="sampling/custom_sampling")
def sampler_custom(
    ctx: Context,
    *,
    model: ModelIn,
    add_noise: Annotated[bool, Boolean()] = True,
    noise_seed: Seed = 0,
    cfg: Cfg = 8.0,
    positive: ConditioningIn,
    negative: ConditioningIn,
    sampler: SamplerIn,
    sigmas: SigmasIn,
    latent_image: LatentIn,
) -> tuple[Output, DenoisedOutput]:
    """Sample with any sampler down any schedule. The second output is the last guess of the clean latents."""
    with models(ctx, model, latent_image) as loaded:
        guided = Guided(loaded.network(model), positive, negative, cfg, loaded.control, model.rules)
        noise = SeededNoise(noise_seed) if add_noise else NoNoise(noise_seed)
        made = sampled(
            ctx,
            loaded,
            guided,
            latent_image,
            Run(sampler, sigmas, noise_seed, noise, model.settings.differential),
        )
    return made.latent, made.denoised


NODES = (sampler_custom,)
