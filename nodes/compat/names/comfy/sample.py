"""`comfy.sample`: start noise."""

import torch

from nodes.diffusion.noise import seeded


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
