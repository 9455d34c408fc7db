"""`comfy.ldm.modules.diffusionmodules.openaimodel`: the U-Net of Stable Diffusion with the field's names of parts."""

from nodes.compat.unets.blocks import (
    Downsample,
    ResBlock,
    TimestepBlock,
    TimestepEmbedSequential,
    Upsample,
)
from nodes.compat.unets.through import forward_timestep_embed
from nodes.compat.unets.transformers import SpatialTransformer
from nodes.compat.unets.unet import UNetModel, apply_control
from nodes.compat.unets.video import SpatialVideoTransformer, VideoResBlock

from .util import AlphaBlender, timestep_embedding

__all__ = [
    "AlphaBlender",
    "Downsample",
    "ResBlock",
    "SpatialTransformer",
    "SpatialVideoTransformer",
    "TimestepBlock",
    "TimestepEmbedSequential",
    "UNetModel",
    "Upsample",
    "VideoResBlock",
    "apply_control",
    "forward_timestep_embed",
    "timestep_embedding",
]
