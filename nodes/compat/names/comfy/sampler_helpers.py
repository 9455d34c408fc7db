"""`comfy.sampler_helpers`: conditioning as samplers of the field take it."""

from nodes.compat.names.comfy import utils
from nodes.compat.surgery.rules import convert_cond

__all__ = ["convert_cond"]


def prepare_mask(noise_mask, shape, device):
    """A mask of pixels at the shape of latents [batch channel *sides]."""
    return utils.reshape_mask(noise_mask, shape).to(device)
