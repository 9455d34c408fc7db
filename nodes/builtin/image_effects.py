"""Pictures changed pixel by pixel: blended, blurred, sharpened, in few colours, with noise."""

from typing import Annotated

import torch

from nodes.builtin.checks import batches_fit, has_colours, same_channels
from nodes.builtin.image_scale import scaled
from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.diffusion.pictures.blending import MODES, blended
from nodes.diffusion.pictures.colour import from_yuv, matched_channels, to_yuv, with_colours_of
from nodes.diffusion.pictures.filters import filtered, gaussian, sharpening
from nodes.diffusion.pictures.morphology import OPERATIONS
from nodes.diffusion.pictures.quantize import DITHERS, all_quantized
from nodes.diffusion.values import Image
from nodes.spec import Combo, Context, Float, Int, NodeError, Out, node

SHARPENING = 10.0  # of alpha 1: how many times the Gaussian is taken away
Radius = Annotated[int, Int(minimum=1, maximum=31, step=1)]


@node("ImageInvert", name="Invert Image", category="image")
def image_invert(ctx: Context, image: ImageIn) -> ImageOut:
    """The negative."""
    return 1.0 - image


@node("ImageAddNoise", category="image")
def image_add_noise(
    ctx: Context,
    image: ImageIn,
    seed: Annotated[int, Int(minimum=0, maximum=2**64 - 1, seed=True)] = 0,
    strength: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.5,
) -> ImageOut:
    """Grain: Gaussian noise on every channel."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return (image + strength * noise.to(image)).clamp(0, 1)


@node("ImageBlend", category="image/postprocessing")
def image_blend(
    ctx: Context,
    image1: ImageIn,
    image2: ImageIn,
    blend_factor: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.5,
    blend_mode: Annotated[str, Combo(tuple(MODES), bare=False)] = "normal",
) -> ImageOut:
    """Lay the second picture over the first."""
    above = matched_channels(image1, image2)
    same_channels(image1, above, ("image1", "image2"))
    batches_fit(image1, above, ("image1", "image2"), "pictures")
    if image1.shape != above.shape:
        above = scaled(above, image1.shape[2], image1.shape[1], "bicubic", "center")
    return blended(image1, above, blend_mode, blend_factor)


@node("ImageBlur", category="image/postprocessing")
def image_blur(
    ctx: Context,
    image: ImageIn,
    blur_radius: Radius = 1,
    sigma: Annotated[float, Float(minimum=0.1, maximum=10.0, step=0.1)] = 1.0,
) -> ImageOut:
    """Blur by a Gaussian of a radius in pixels; `sigma` is its spread as a share of that radius."""
    if blur_radius == 0:
        return image
    return filtered(image.movedim(-1, 1), gaussian(blur_radius, sigma)).movedim(1, -1)


@node("ImageSharpen", category="image/postprocessing")
def image_sharpen(
    ctx: Context,
    image: ImageIn,
    sharpen_radius: Radius = 1,
    sigma: Annotated[float, Float(minimum=0.1, maximum=10.0, step=0.01)] = 1.0,
    alpha: Annotated[float, Float(minimum=0.0, maximum=5.0, step=0.01)] = 1.0,
) -> ImageOut:
    """Sharpen: `alpha` says how much, `sigma` the spread of what is taken away as a share of the radius."""
    if sharpen_radius == 0:
        return image
    kernel = sharpening(sharpen_radius, sigma, alpha * SHARPENING)
    return filtered(image.movedim(-1, 1), kernel).movedim(1, -1).clamp(0, 1)


@node("ImageQuantize", category="image/postprocessing")
def image_quantize(
    ctx: Context,
    image: ImageIn,
    colors: Annotated[int, Int(minimum=1, maximum=256, step=1)] = 256,
    *,
    dither: Annotated[str, Combo(DITHERS, bare=False)],
) -> ImageOut:
    """Each picture in so many colours of its own, smooth ones told by a pattern of dots or not at all."""
    if image.shape[-1] != 3:
        raise NodeError(
            f"image has {image.shape[-1]} channels; only pictures of 3 can be quantized.",
            "Remove the alpha channel first (Split Image with Alpha).",
        )
    return all_quantized(image, colors, dither)


@node("Morphology", name="ImageMorphology", category="image/postprocessing")
def morphology(
    ctx: Context,
    image: ImageIn,
    operation: Annotated[str, Combo(tuple(OPERATIONS), bare=False)],
    kernel_size: Annotated[int, Int(minimum=3, maximum=999, step=1)] = 3,
) -> ImageOut:
    """Let bright shapes grow (dilate) or shrink (erode) by a square window, or find what such a change removes."""
    return OPERATIONS[operation](image.movedim(-1, 1), kernel_size).movedim(1, -1)


@node("WeftMatchColours", name="Match Colours", category="image/postprocessing")
def match_colours(
    ctx: Context,
    image: ImageIn,
    reference: ImageIn,
    amount: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 1.0,
) -> ImageOut:
    """Give pictures the brightness, contrast and tint of another, as far as `amount` says.

    The reference is a single picture, or one for each.
    """
    if len(reference) not in (1, len(image)):
        raise NodeError(
            f"image holds {len(image)} pictures and reference {len(reference)}.",
            "Give reference a single picture, or one for each.",
        )
    has_colours(image, "image")
    has_colours(reference, "reference")
    return with_colours_of(image, reference, amount)


@node("ImageRGBToYUV", category="image/batch")
def image_rgb_to_yuv(
    ctx: Context, image: ImageIn
) -> tuple[
    Annotated[Image, Out("IMAGE", "Y")],
    Annotated[Image, Out("IMAGE", "U")],
    Annotated[Image, Out("IMAGE", "V")],
]:
    """Brightness and two differences of colour, each as a gray picture."""
    has_colours(image, "image")
    luma, blue, red = (plane[..., None].expand(-1, -1, -1, 3) for plane in to_yuv(image))
    return luma, blue, red


@node("ImageYUVToRGB", category="image/batch")
def image_yuv_to_rgb(ctx: Context, Y: ImageIn, U: ImageIn, V: ImageIn) -> ImageOut:
    """A picture from its brightness and two differences of colour."""
    for name, plane in (("U", U), ("V", V)):
        if plane.shape[1:3] != Y.shape[1:3]:
            raise NodeError(
                f"Y is {Y.shape[2]} x {Y.shape[1]} pixels and {name} {plane.shape[2]} x {plane.shape[1]}.",
                "Give all three one size.",
            )
        batches_fit(Y, plane, ("Y", name), "pictures")
    batches_fit(U, V, ("U", "V"), "pictures")
    return from_yuv(Y.mean(-1), U.mean(-1), V.mean(-1))


NODES = (
    image_invert,
    image_add_noise,
    image_blend,
    image_blur,
    image_sharpen,
    image_quantize,
    match_colours,
    morphology,
    image_rgb_to_yuv,
    image_yuv_to_rgb,
)
