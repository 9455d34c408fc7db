"""`comfy_extras.nodes_lt`: masks of videos' latents."""

import torch

from nodes.compat.names.comfy_api.latest.node import ComfyNode
from nodes.compat.standing import Refusal


def get_noise_mask(latent):
    """One number a frame, [batch 1 frame 1 1]: 1 where it is to be made."""
    samples, mask = latent["samples"], latent.get("noise_mask")
    if mask is None:
        return torch.ones(
            (len(samples), 1, samples.shape[2], 1, 1), dtype=torch.float32, device=samples.device
        )
    return mask.clone()


class LTXVAddGuide(ComfyNode):
    """Packs derive from it; what they take over of it is not there yet."""

    NUM_PREFIX_FRAMES = 8
    PATCHIFIER = None
    execute = encode = get_latent_index = append_keyframe = replace_latent_frames = Refusal(
        "comfy_extras.nodes_lt.LTXVAddGuide"
    )
