"""Between pictures and latents."""

from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.builtin.checks import from_one, from_zero
from nodes.builtin.kinds import ImageIn, ImageOut, LatentIn, LatentOut, MaskIn, VaeIn
from nodes.builtin.models import models
from nodes.diffusion.absent import Absent
from nodes.diffusion.values import Latent, Vae
from nodes.spec import Context, Int, NodeError, node

GRAY = 0.5
Overlap = Annotated[int, Int(minimum=0, maximum=4096, step=32)]
TemporalSize = Annotated[int, Int(minimum=8, maximum=4096, step=4)]
TemporalOverlap = Annotated[int, Int(minimum=4, maximum=4096, step=4)]


@node("VAEDecode", name="VAE Decode", category="latent")
def vae_decode(ctx: Context, samples: LatentIn, vae: VaeIn) -> ImageOut:
    """Latents to pictures."""
    with models(ctx) as loaded:
        return loaded.vae(there(vae)).decode(samples.samples, ctx.say)


@node("VAEEncode", name="VAE Encode", category="latent")
def vae_encode(ctx: Context, pixels: ImageIn, vae: VaeIn) -> LatentOut:
    """Pictures to latents. Sides are cut to multiples of 8 pixels."""
    with models(ctx) as loaded:
        return Latent(loaded.vae(there(vae)).encode(pixels[..., :3], ctx.say))


@node("VAEDecodeTiled", name="VAE Decode (Tiled)", category="_for_testing")
def vae_decode_tiled(
    ctx: Context,
    samples: LatentIn,
    vae: VaeIn,
    tile_size: Annotated[int, Int(minimum=64, maximum=4096, step=32)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> ImageOut:
    """Latents to pictures tile by tile, for large ones and little memory. Sizes in pixels; seams are blended.

    `temporal_size` and `temporal_overlap` are for videos alone.
    """
    del temporal_size, temporal_overlap
    if tile_size < overlap * 4:
        overlap = tile_size // 4
    with models(ctx) as loaded:
        coder = loaded.vae(there(vae))
        from_one(tile_size=tile_size // coder.pixels)
        from_zero(overlap=overlap)
        return coder.decode_tiled(samples.samples, tile_size // coder.pixels, overlap // coder.pixels)


@node("VAEEncodeTiled", name="VAE Encode (Tiled)", category="_for_testing")
def vae_encode_tiled(
    ctx: Context,
    pixels: ImageIn,
    vae: VaeIn,
    tile_size: Annotated[int, Int(minimum=64, maximum=4096, step=64)] = 512,
    overlap: Overlap = 64,
    temporal_size: TemporalSize = 64,
    temporal_overlap: TemporalOverlap = 8,
) -> LatentOut:
    """Pictures to latents tile by tile, for large ones and little memory. Sizes in pixels; seams are blended.

    `temporal_size` and `temporal_overlap` are for videos alone.
    """
    del temporal_size, temporal_overlap
    from_zero(overlap=overlap)
    with models(ctx) as loaded:
        from_one(tile_size=tile_size // loaded.vae(there(vae)).pixels)
        return Latent(loaded.vae(there(vae)).encode_tiled(pixels[..., :3], tile_size, overlap))


@node("VAEEncodeForInpaint", name="VAE Encode (for Inpainting)", category="latent/inpaint")
def vae_encode_for_inpaint(
    ctx: Context,
    pixels: ImageIn,
    vae: VaeIn,
    mask: MaskIn,
    grow_mask_by: Annotated[int, Int(minimum=0, maximum=64, step=1)] = 6,
) -> LatentOut:
    """Pictures to latents with the masked part grayed out, to be made anew; the mask grows to hide its edge."""
    with models(ctx) as loaded:
        coder = loaded.vae(there(vae))
        planes = mask.reshape(-1, 1, *mask.shape[-2:]).float()
        planes = F.interpolate(planes, pixels.shape[1:3], mode="bilinear")
        rows, columns = (_centred(side, coder.pixels) for side in pixels.shape[1:3])
        planes = planes[:, :, rows, columns]
        keep = (1.0 - planes.round())[:, 0, :, :, None]
        grayed = (pixels[:, rows, columns, :3] - GRAY) * keep + GRAY
        latent = Latent(coder.encode(grayed, ctx.say))
    return replace(
        latent, noise_mask=_grown(planes, grow_mask_by)[:, :, : planes.shape[2], : planes.shape[3]].round()
    )


def _centred(side: int, multiple: int) -> slice:
    """The middle of a side, as long as a multiple allows."""
    start = (side % multiple) // 2
    return slice(start, start + side // multiple * multiple)


def _grown(planes: Tensor, by: int) -> Tensor:
    """A rounded mask [B, 1, H, W] widened by a square of `by` pixels; 0 leaves it as it is."""
    if by == 0:
        return planes
    kernel = torch.ones(1, 1, by, by, device=planes.device)
    return F.conv2d(planes.round(), kernel, padding=-(-(by - 1) // 2)).clamp(0, 1)


def there(vae: Vae | Absent | None) -> Vae:
    """The VAE.

    Raises:
        NodeError: the checkpoint brought none.
    """
    if isinstance(vae, Absent):
        raise NodeError(vae.message, vae.hint)
    if vae is None:
        raise NodeError("The checkpoint brought no VAE.", "Connect one from a Load VAE node.")
    return vae


NODES = (vae_decode, vae_encode, vae_decode_tiled, vae_encode_tiled, vae_encode_for_inpaint)
