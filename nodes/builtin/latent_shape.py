"""Latents cut, turned, joined and laid over each other. Sizes in pixels are taken as eighths of latents."""

from typing import Annotated

import torch

from nodes.builtin.checks import as_batch, from_one, from_zero, onto_fits, same_family
from nodes.builtin.kinds import LatentIn, LatentOut
from nodes.diffusion.batches import repeated
from nodes.diffusion.latents import pasted, sliced, with_calm_start
from nodes.diffusion.pictures.layout import overlaid
from nodes.diffusion.values import Latent, Mask
from nodes.spec import Boolean, Combo, Context, Int, NodeError, Out, Socket, node

PIXELS = 8
LARGEST = 16384
AXES = {"x": -1, "y": -2, "t": -3}
Offset = Annotated[int, Int(minimum=0, maximum=LARGEST, step=8)]
Side = Annotated[int, Int(minimum=64, maximum=LARGEST, step=8)]
Frames = Annotated[int, Int(minimum=1, maximum=LARGEST, step=1)]


@node("LatentComposite", name="Latent Composite", category="latent")
def latent_composite(
    ctx: Context,
    samples_to: LatentIn,
    samples_from: LatentIn,
    x: Offset = 0,
    y: Offset = 0,
    feather: Offset = 0,
) -> LatentOut:
    """Lay latents over others at a place, with sides that fade over `feather` pixels."""
    onto, above = samples_to.samples, samples_from.samples
    from_zero(x=x, y=y, feather=feather)
    same_family(onto, above, ("samples_to", "samples_from"))
    onto_fits(onto, above, ("samples_to", "samples_from"), "latents")
    return samples_to.with_samples(pasted(onto, above, x // PIXELS, y // PIXELS, feather // PIXELS))


@node("LatentCompositeMasked", category="latent")
def latent_composite_masked(
    ctx: Context,
    destination: LatentIn,
    source: LatentIn,
    x: Offset = 0,
    y: Offset = 0,
    resize_source: Annotated[bool, Boolean()] = False,
    mask: Annotated[Mask | None, Socket("MASK", optional=True)] = None,
) -> LatentOut:
    """Lay latents over others where the mask is white."""
    onto, above = destination.samples, source.samples
    from_zero(x=x, y=y)
    same_family(onto, above, ("destination", "source"))
    shown = None if mask is None else as_batch(mask)
    return destination.with_samples(overlaid(onto, above, x, y, shown, fill=resize_source, unit=PIXELS))


@node("LatentCrop", name="Crop Latent", category="latent/transform")
def latent_crop(
    ctx: Context, samples: LatentIn, width: Side = 512, height: Side = 512, x: Offset = 0, y: Offset = 0
) -> LatentOut:
    """Cut a rectangle out; its corner stays 64 pixels away from the far sides."""
    from_zero(x=x, y=y)
    from_one(width=width // PIXELS, height=height // PIXELS)
    tall, wide = samples.samples.shape[-2:]
    left, top = min(x // PIXELS, max(0, wide - 8)), min(y // PIXELS, max(0, tall - 8))
    part = samples.samples[..., top : top + height // PIXELS, left : left + width // PIXELS]
    return samples.with_samples(part)


@node("LatentFlip", name="Flip Latent", category="latent/transform")
def latent_flip(
    ctx: Context,
    samples: LatentIn,
    flip_method: Annotated[str, Combo(("x-axis: vertically", "y-axis: horizontally"))],
) -> LatentOut:
    """Mirror latents, upside down or left to right."""
    return samples.with_samples(samples.samples.flip(-2 if flip_method.startswith("x") else -1))


@node("LatentRotate", name="Rotate Latent", category="latent/transform")
def latent_rotate(
    ctx: Context,
    samples: LatentIn,
    rotation: Annotated[str, Combo(("none", "90 degrees", "180 degrees", "270 degrees"))],
) -> LatentOut:
    """Turn latents clockwise."""
    return samples.with_samples(turned(samples.samples, rotation, (-1, -2)))


@node("LatentCut", category="latent/advanced")
def latent_cut(
    ctx: Context,
    samples: LatentIn,
    dim: Annotated[str, Combo(("x", "y", "t"), bare=False)],
    index: Annotated[int, Int(minimum=-LARGEST, maximum=LARGEST, step=1)] = 0,
    amount: Frames = 1,
) -> LatentOut:
    """A strip of latents along the width, the height or the time. A negative index counts from the end."""
    return samples.with_samples(sliced(samples.samples, AXES[dim], index, amount))


@node("LatentConcat", category="latent/advanced")
def latent_concat(
    ctx: Context,
    samples1: LatentIn,
    samples2: LatentIn,
    dim: Annotated[str, Combo(("x", "-x", "y", "-y", "t", "-t"), bare=False)],
) -> LatentOut:
    """Latents side by side, one below the other, or one after the other; with a minus the second comes first."""
    axis = AXES[dim[-1]]
    one, other = samples1.samples, repeated(samples2.samples, len(samples1.samples))
    if [side for place, side in enumerate(one.shape) if place != one.ndim + axis] != [
        side for place, side in enumerate(other.shape) if place != other.ndim + axis
    ]:
        raise NodeError(
            f"samples1 is {list(one.shape)} and samples2 {list(other.shape)}; they do not fit along {dim[-1]}.",
            "Give both the same size in every other direction, from the same model family.",
        )
    return samples1.with_samples(torch.cat((other, one) if dim.startswith("-") else (one, other), dim=axis))


@node("TrimVideoLatent", category="latent/video")
def trim_video_latent(
    ctx: Context, samples: LatentIn, trim_amount: Annotated[int, Int(minimum=0, maximum=99999)] = 0
) -> LatentOut:
    """Without the first frames."""
    return samples.with_samples(samples.samples[:, :, trim_amount:])


@node("NormalizeVideoLatentStart", category="conditioning/video_models")
def normalize_video_latent_start(
    ctx: Context,
    latent: LatentIn,
    start_frame_count: Frames = 4,
    reference_frame_count: Frames = 5,
) -> Annotated[Latent, Out("LATENT", "latent")]:
    """Give the first frames of a video the brightness and contrast of those that follow."""
    if latent.samples.ndim != 5:
        raise NodeError("latent is of a picture, not of a video.", "Connect latents that have frames.")
    return latent.with_samples(with_calm_start(latent.samples, start_frame_count, reference_frame_count))


def turned(planes: torch.Tensor, rotation: str, axes: tuple[int, int]) -> torch.Tensor:
    """Planes turned clockwise by one of the choices "none" to "270 degrees"; `axes` are width and height."""
    quarters = 0 if rotation == "none" else int(rotation.partition(" ")[0]) // 90
    return planes.rot90(quarters, axes)


NODES = (
    latent_composite,
    latent_composite_masked,
    latent_crop,
    latent_flip,
    latent_rotate,
    latent_cut,
    latent_concat,
    trim_video_latent,
    normalize_video_latent_start,
)
