"""Sizes that networks of the XL family are told beside the text (Podell et al. 2023, arXiv:2307.01952, section 2.2)."""

from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.denoiser import NetworkInputs

REFINER_NUMBERS = 5  # height, width, what is cut off above and at the left, and beauty
NUMBER_WIDTH = 256  # features of each of the numbers that XL is told
XL_LEVELS = 3  # the refiner has four


def sizes_told(config: Any, inputs: NetworkInputs, latents: Tensor) -> dict[str, Tensor] | None:
    """What XL is told beside the text: the pooled vector and six numbers; its refiner: four of them, and beauty."""
    if config.addition_embed_type != "text_time" or inputs.sizes is None:
        return None
    width, numbers, pooled = config.projection_class_embeddings_input_dim, inputs.sizes, inputs.pooled
    if pooled is None:  # nothing was said, or it was taken away
        told = numbers.shape[1] if len(config.block_out_channels) == XL_LEVELS else REFINER_NUMBERS
        pooled = latents.new_zeros(len(latents), width - told * NUMBER_WIDTH)
    told = (width - pooled.shape[1]) // config.addition_time_embed_dim
    if told == REFINER_NUMBERS and inputs.beauty is not None:
        numbers = torch.cat((numbers[:, :4], inputs.beauty[:, None]), 1)
    return {"text_embeds": pooled.to(latents.dtype), "time_ids": numbers}
