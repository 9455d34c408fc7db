"""Pictures as the start of Stable Cascade's two stages."""

from typing import Annotated

import torch

from nodes.builtin.kinds import ImageIn, VaeIn
from nodes.builtin.models import models
from nodes.builtin.vae import there
from nodes.diffusion.pictures.layout import resized
from nodes.diffusion.values import Image, Latent
from nodes.spec import Context, Int, NodeError, Out, node

StageC = Annotated[Latent, Out("LATENT", "stage_c")]
StageB = Annotated[Latent, Out("LATENT", "stage_b")]


@node("StableCascade_StageC_VAEEncode", category="latent/stable_cascade")
def cascade_encode(
    ctx: Context,
    image: ImageIn,
    vae: VaeIn,
    compression: Annotated[int, Int(minimum=4, maximum=128, step=1)] = 42,
) -> tuple[StageC, StageB]:
    """A picture as latents of the first stage, so strongly compressed, and empty ones of its size for the second."""
    height, width = image.shape[1:3]
    if min(height, width) < compression:
        raise NodeError(
            f"image is {width} x {height} pixels, less than one latent at a compression of {compression}.",
            "Use a larger picture, or a smaller compression.",
        )
    with models(ctx) as loaded:
        coder = loaded.vae(there(vae))
        size = (width // compression * coder.pixels, height // compression * coder.pixels)
        encoded = coder.encode(resized(image[..., :3], *size, "bicubic", "center"), ctx.say)
    return Latent(encoded), Latent(torch.zeros(len(image), 4, height // 8 * 2, width // 8 * 2))


@node("StableCascade_SuperResolutionControlnet", category="_for_testing/stable_cascade", experimental=True)
def cascade_super_resolution(
    ctx: Context, image: ImageIn, vae: VaeIn
) -> tuple[Annotated[Image, Out("IMAGE", "controlnet_input")], StageC, StageB]:
    """A picture as the hint of the control network that makes it larger, and empty latents for both stages."""
    count, height, width = image.shape[:3]
    with models(ctx) as loaded:
        hint = loaded.vae(there(vae)).encode(image[..., :3], ctx.say).movedim(1, -1)
    small = Latent(torch.zeros(count, 16, height // 16, width // 16))
    return hint, small, Latent(torch.zeros(count, 4, height // 2, width // 2))


NODES = (cascade_encode, cascade_super_resolution)
