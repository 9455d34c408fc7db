"""`comfy_extras.nodes_lt`: masks of videos' latents."""

import torch


def get_noise_mask(latent):
    """One number a frame, [batch 1 frame 1 1]: 1 where it is to be made."""
    samples, mask = latent["samples"], latent.get("noise_mask")
    if mask is None:
        return torch.ones((len(samples), 1, samples.shape[2], 1, 1), dtype=torch.float32, device=samples.device)
    return mask.clone()
