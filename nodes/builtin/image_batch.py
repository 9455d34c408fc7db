"""Pictures made, measured, and put into batches and lists."""

from collections.abc import Sequence
from typing import Annotated

import torch

from nodes.builtin.checks import same_channels
from nodes.builtin.image_scale import scaled
from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.diffusion.batches import regrouped, repeated
from nodes.diffusion.pictures.colour import from_packed, with_channels
from nodes.diffusion.values import Image
from nodes.spec import Context, Hidden, Int, NodeError, Out, Socket, node

Side = Annotated[int, Int(minimum=1, maximum=16384, step=1)]
Batch = Annotated[int, Int(minimum=1, maximum=4096)]
ImagesIn = Annotated[Sequence[Image], Socket("IMAGE")]


@node("EmptyImage", name="EmptyImage", category="image")
def empty_image(
    ctx: Context,
    width: Side = 512,
    height: Side = 512,
    batch_size: Batch = 1,
    color: Annotated[int, Int(minimum=0, maximum=0xFFFFFF, step=1, extra={"display": "color"})] = 0,
) -> ImageOut:
    """A picture of one colour."""
    return torch.tensor(from_packed(color)).repeat(batch_size, height, width, 1)


@node("GetImageSize", name="Get Image Size", category="image")
def get_image_size(
    ctx: Context, image: ImageIn, unique_id: Annotated[str | None, Hidden("UNIQUE_ID")] = None
) -> tuple[
    Annotated[int, Out("INT", "width")],
    Annotated[int, Out("INT", "height")],
    Annotated[int, Out("INT", "batch_size")],
]:
    """Width and height in pixels, and how many pictures there are."""
    count, height, width = image.shape[:3]
    ctx.say(f"width: {width}, height: {height}\n batch size: {count}")
    return width, height, count


@node("ImageBatch", name="Batch Images", category="image", deprecated=True)
def image_batch(ctx: Context, image1: ImageIn, image2: ImageIn) -> ImageOut:
    """Both in one batch; the second is scaled to the size of the first."""
    channels = max(image1.shape[-1], image2.shape[-1])
    first, second = (with_channels(image, channels) for image in (image1, image2))
    same_channels(first, second, ("image1", "image2"))
    if first.shape[1:3] != second.shape[1:3]:
        second = scaled(second, first.shape[2], first.shape[1], "bilinear", "center")
    return torch.cat((first, second))


@node("ImageFromBatch", category="image/batch")
def image_from_batch(
    ctx: Context,
    image: ImageIn,
    batch_index: Annotated[int, Int(minimum=0, maximum=4095)] = 0,
    length: Batch = 1,
) -> ImageOut:
    """Some of a batch: so many, from one on (counted from 0)."""
    count = len(image)
    start = min(max(0, batch_index + count if batch_index < 0 else batch_index), count - 1)
    return image[start : start + length].clone()


@node("RepeatImageBatch", category="image/batch")
def repeat_image_batch(ctx: Context, image: ImageIn, amount: Batch = 1) -> ImageOut:
    """The whole batch so many times."""
    return repeated(image, len(image) * amount)


@node("RebatchImages", name="Rebatch Images", category="image/batch", takes_lists=True)
def rebatch_images(
    ctx: Context,
    images: ImagesIn,
    batch_size: Annotated[Sequence[int], Int(minimum=1, maximum=4096, extra={"default": 1})],
) -> Annotated[list[Image], Out("IMAGE", is_list=True)]:
    """All pictures of a list in batches of one size."""
    try:
        return regrouped(images, batch_size[0])
    except RuntimeError as error:
        sizes = sorted({f"{image.shape[2]} x {image.shape[1]}" for image in images})
        if len(sizes) == 1:
            counts = ", ".join(sorted({str(image.shape[-1]) for image in images}))
            raise NodeError(
                f"images differ in channels: {counts}.",
                "Take the alpha away first (Split Image with Alpha), or set batch_size to 1.",
            ) from error
        raise NodeError(
            f"images differ in size: {', '.join(sizes)}.",
            "Scale them to one size first, or set batch_size to 1.",
        ) from error


@node(
    "MergeImageLists", name="Merge Image Lists", category="dataset/image", takes_lists=True, experimental=True
)
def merge_image_lists(
    ctx: Context, images: ImagesIn
) -> Annotated[list[Image], Out("IMAGE", "images", is_list=True)]:
    """All pictures of all connected lists in one list, each alone."""
    return [picture for image in images for picture in image.split(1)]


NODES = (
    empty_image,
    get_image_size,
    image_batch,
    image_from_batch,
    repeat_image_batch,
    rebatch_images,
    merge_image_lists,
)
