"""`comfy.sample`: start noise, and runs by names or from parts."""

import torch

from nodes.compat.names.comfy import model_management, samplers
from nodes.compat.names.comfy.sampler_helpers import (
    cleanup_additional_models,
    convert_cond,
    get_additional_models,
    get_models_from_cond,
    prepare_mask,
    prepare_sampling,
)
from nodes.diffusion.noise import seeded
from nodes.diffusion.sampling.fitting import fitted
from nodes.diffusion.values import Latent

# They lie in `comfy.sampler_helpers` now; packs look for them here too.
__all__ = [
    "cleanup_additional_models",
    "convert_cond",
    "get_additional_models",
    "get_models_from_cond",
    "prepare_mask",
    "prepare_sampling",
]


def prepare_noise(latent_image, seed, noise_inds=None):
    """Noise like these latents, drawn on the processor in float32; items of `noise_inds` get the draws of those numbers."""
    generator = seeded(seed)
    shape = tuple(latent_image.shape)
    if noise_inds is None:
        return torch.randn(shape, generator=generator).to(latent_image.dtype)
    indices = [int(index) for index in noise_inds]
    drawn = [torch.randn((1, *shape[1:]), generator=generator) for _ in range(max(indices) + 1)]
    return torch.cat([drawn[index] for index in indices]).to(latent_image.dtype)


def prepare_empty_noise(latent_image):
    return torch.zeros(latent_image.shape, dtype=latent_image.dtype, device="cpu")


def fix_empty_latent_channels(
    model, latent_image, downscale_ratio_spacial=None, downscale_ratio_temporal=None
):
    """Empty latents in the channels and the size of the model's; others as they are."""
    if bool(latent_image.any()):
        return latent_image
    said = {
        "downscale_ratio_spacial": downscale_ratio_spacial,
        "downscale_ratio_temporal": downscale_ratio_temporal,
    }
    extra = {name: value for name, value in said.items() if value is not None}
    return fitted(Latent(latent_image, extra=extra), model.model.loaded().latent_format)


def sample(
    model,
    noise,
    steps,
    cfg,
    sampler_name,
    scheduler,
    positive,
    negative,
    latent_image,
    denoise=1.0,
    disable_noise=False,
    start_step=None,
    last_step=None,
    force_full_denoise=False,
    noise_mask=None,
    sigmas=None,
    callback=None,
    disable_pbar=False,
    seed=None,
):
    """Latents at the end of a run, on the device of results."""
    run = samplers.KSampler(
        model,
        steps=steps,
        device=model.load_device,
        sampler=sampler_name,
        scheduler=scheduler,
        denoise=denoise,
        model_options=model.model_options,
    )
    made = run.sample(
        noise,
        positive,
        negative,
        cfg=cfg,
        latent_image=latent_image,
        start_step=start_step,
        last_step=last_step,
        force_full_denoise=force_full_denoise,
        denoise_mask=noise_mask,
        sigmas=sigmas,
        callback=callback,
        disable_pbar=disable_pbar,
        seed=seed,
    )
    return made.to(model_management.intermediate_device())


def sample_custom(
    model,
    noise,
    cfg,
    sampler,
    sigmas,
    positive,
    negative,
    latent_image,
    noise_mask=None,
    callback=None,
    disable_pbar=False,
    seed=None,
):
    """The same from a sampler and a schedule."""
    made = samplers.sample(
        model,
        noise,
        positive,
        negative,
        cfg,
        model.load_device,
        sampler,
        sigmas,
        model_options=model.model_options,
        latent_image=latent_image,
        denoise_mask=noise_mask,
        callback=callback,
        disable_pbar=disable_pbar,
        seed=seed,
    )
    return made.to(model_management.intermediate_device())
