"""Latents added, mixed and filtered."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.checks import batches_fit, same_family
from nodes.builtin.kinds import LatentIn, LatentOut
from nodes.builtin.models import told
from nodes.diffusion.latents import (
    LatentOperation,
    Sharpen,
    TonemapReinhard,
    fitted,
    interpolated,
    sized_as,
)
from nodes.diffusion.values import Latent
from nodes.spec import Context, Float, Int, Out, Socket, node

BOTH = ("samples1", "samples2")
OperationIn = Annotated[LatentOperation, Socket("LATENT_OPERATION")]
OperationOut = Annotated[LatentOperation, Out("LATENT_OPERATION")]


@node("LatentAdd", category="latent/advanced")
def latent_add(ctx: Context, samples1: LatentIn, samples2: LatentIn) -> LatentOut:
    """The sum of two latents; the second is brought to the size and number of the first."""
    return _together(samples1, samples2, torch.add)


@node("LatentSubtract", category="latent/advanced")
def latent_subtract(ctx: Context, samples1: LatentIn, samples2: LatentIn) -> LatentOut:
    """The first latents less the second, which are brought to their size and number."""
    return _together(samples1, samples2, torch.sub)


@node("LatentMultiply", category="latent/advanced")
def latent_multiply(
    ctx: Context,
    samples: LatentIn,
    multiplier: Annotated[float, Float(minimum=-10.0, maximum=10.0, step=0.01)] = 1.0,
) -> LatentOut:
    """Latents times a number."""
    return samples.with_samples(samples.samples * multiplier)


@node("LatentBlend", name="Latent Blend", category="_for_testing")
def latent_blend(
    ctx: Context,
    samples1: LatentIn,
    samples2: LatentIn,
    blend_factor: Annotated[float, Float(minimum=0, maximum=1, step=0.01)] = 0.5,
) -> LatentOut:
    """Two latents mixed: so much of the first, the rest of the second."""
    one = samples1.samples
    same_family(one, samples2.samples, BOTH)
    other = sized_as(samples2.samples, one, "bicubic")
    batches_fit(one, other, BOTH, "latents")
    return samples1.with_samples(one * blend_factor + other * (1 - blend_factor))


@node("LatentInterpolate", category="latent/advanced")
def latent_interpolate(
    ctx: Context,
    samples1: LatentIn,
    samples2: LatentIn,
    ratio: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 1.0,
) -> LatentOut:
    """Between two latents, with direction and strength mixed apart, so that the middle is not washed out. 1 is the first."""
    return _together(samples1, samples2, lambda one, other: interpolated(one, other, ratio))


@node("LatentApplyOperation", category="latent/advanced/operations", experimental=True)
def latent_apply_operation(ctx: Context, samples: LatentIn, operation: OperationIn) -> LatentOut:
    """Latents changed by an operation."""
    with told():
        return samples.with_samples(operation(latent=samples.samples))


@node("LatentOperationSharpen", category="latent/advanced/operations", experimental=True)
def latent_operation_sharpen(
    ctx: Context,
    sharpen_radius: Annotated[int, Int(minimum=1, maximum=31, step=1)] = 9,
    sigma: Annotated[float, Float(minimum=0.1, maximum=10.0, step=0.1)] = 1.0,
    alpha: Annotated[float, Float(minimum=0.0, maximum=5.0, step=0.01)] = 0.1,
) -> OperationOut:
    """An operation that sharpens latents."""
    return Sharpen(sharpen_radius, sigma, alpha)


@node("LatentOperationTonemapReinhard", category="latent/advanced/operations", experimental=True)
def latent_operation_tonemap(
    ctx: Context, multiplier: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)] = 1.0
) -> OperationOut:
    """An operation that tames latents which are too strong, as a high guidance makes them."""
    return TonemapReinhard(multiplier)


def _together(one: Latent, other: Latent, mix: Callable[[Tensor, Tensor], Tensor]) -> Latent:
    same_family(one.samples, other.samples, BOTH)
    return one.with_samples(mix(one.samples, fitted(other.samples, one.samples)))


NODES = (
    latent_add,
    latent_subtract,
    latent_multiply,
    latent_blend,
    latent_interpolate,
    latent_apply_operation,
    latent_operation_sharpen,
    latent_operation_tonemap,
)
