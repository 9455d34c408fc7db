"""Pictures made alike, for training: cropped, resized, normalised, without doubles."""

from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from nodes.builtin.image_scale import check_size
from nodes.builtin.kinds import ImageIn
from nodes.diffusion.eight_bit import (
    average_hash,
    from_pillow,
    lanczos,
    similarity,
    to_pillow,
)
from nodes.diffusion.pictures.layout import grid
from nodes.diffusion.values import Image
from nodes.spec import Context, Float, Int, NodeError, Out, Socket, String, node

CATEGORY = "dataset/image"
NUMPY_SEEDS = 2**32 - 1
Side = Annotated[int, Int(minimum=1, maximum=8192)]
Factor = Annotated[float, Float(minimum=0.0, maximum=2.0)]
ImagesIn = Annotated[Sequence[Image], Socket("IMAGE")]
Seeds = Annotated[Sequence[int], Int(minimum=0, maximum=2**64 - 1, extra={"default": 0})]
ImagesOut = Annotated[Image, Out("IMAGE", "images")]


@node("AdjustBrightness", name="Adjust Brightness", category=CATEGORY, experimental=True)
def adjust_brightness(ctx: Context, images: ImageIn, factor: Factor = 1.0) -> ImagesOut:
    """Every value times a factor: 1 changes nothing, 0 is black."""
    return (images * factor).clamp(0, 1)


@node("AdjustContrast", name="Adjust Contrast", category=CATEGORY, experimental=True)
def adjust_contrast(ctx: Context, images: ImageIn, factor: Factor = 1.0) -> ImagesOut:
    """Every value's distance from gray times a factor: 1 changes nothing, 0 is gray."""
    return ((images - 0.5) * factor + 0.5).clamp(0, 1)


@node("NormalizeImages", name="Normalize Images", category=CATEGORY, experimental=True)
def normalize_images(
    ctx: Context,
    images: ImageIn,
    mean: Annotated[float, Float(minimum=0.0, maximum=1.0)] = 0.5,
    std: Annotated[float, Float(minimum=0.001, maximum=1.0)] = 0.5,
) -> ImagesOut:
    """Values less a mean, over a standard deviation, as networks are fed; they leave the range of 0 to 1."""
    return (images - mean) / std


@node("CenterCropImages", name="Center Crop Images", category=CATEGORY, experimental=True)
def center_crop_images(ctx: Context, images: ImageIn, width: Side = 512, height: Side = 512) -> ImagesOut:
    """The middle of each picture; a smaller side stays as it is."""
    left, top = max(0, (images.shape[2] - width) // 2), max(0, (images.shape[1] - height) // 2)
    return _each(images, lambda picture: _cut(picture, left, top, width, height))


@node("RandomCropImages", name="Random Crop Images", category=CATEGORY, experimental=True)
def random_crop_images(
    ctx: Context,
    images: ImageIn,
    width: Side = 512,
    height: Side = 512,
    seed: Annotated[int, Int(minimum=0, maximum=2**64 - 1)] = 0,
) -> ImagesOut:
    """A part of each picture, at a place that the seed chooses; a smaller side stays as it is."""
    chance = np.random.RandomState(seed % NUMPY_SEEDS)
    room_x, room_y = images.shape[2] - width, images.shape[1] - height
    left = chance.randint(0, room_x + 1) if room_x > 0 else 0
    top = chance.randint(0, room_y + 1) if room_y > 0 else 0
    return _each(images, lambda picture: _cut(picture, left, top, width, height))


@node("ResizeImagesByShorterEdge", name="Resize Images by Shorter Edge", category=CATEGORY, experimental=True)
def resize_by_shorter_edge(ctx: Context, images: ImageIn, shorter_edge: Side = 512) -> ImagesOut:
    """Scale so that the shorter side has a length; the other follows."""
    height, width = images.shape[1:3]
    return _resized(images, shorter_edge, width < height)


@node("ResizeImagesByLongerEdge", name="Resize Images by Longer Edge", category=CATEGORY, experimental=True)
def resize_by_longer_edge(ctx: Context, images: ImageIn, longer_edge: Side = 1024) -> ImagesOut:
    """Scale so that the longer side has a length; the other follows."""
    height, width = images.shape[1:3]
    return _resized(images, longer_edge, width > height)


@node(
    "ImageDeduplication", name="Image Deduplication", category=CATEGORY, takes_lists=True, experimental=True
)
def image_deduplication(
    ctx: Context,
    images: ImagesIn,
    similarity_threshold: Annotated[
        Sequence[float], Float(minimum=0.0, maximum=1.0, extra={"default": 0.95})
    ],
) -> Annotated[list[Image], Out("IMAGE", "images", is_list=True)]:
    """Pictures without those that look like an earlier one: as alike as the threshold says, or more."""
    kept: list[Image] = []
    hashes: list[Tensor] = []
    for picture in (picture for image in images for picture in image.split(1)):
        own = average_hash(picture[0])
        if all(similarity(own, other) < similarity_threshold[0] for other in hashes):
            kept.append(picture)
            hashes.append(own)
        ctx.check_stop()
    return kept


@node("ImageGrid", name="Image Grid", category=CATEGORY, takes_lists=True, experimental=True)
def image_grid(
    ctx: Context,
    images: ImagesIn,
    columns: Annotated[Sequence[int], Int(minimum=1, maximum=20, extra={"default": 4})],
    cell_width: Annotated[Sequence[int], Int(minimum=32, maximum=2048, extra={"default": 256})],
    cell_height: Annotated[Sequence[int], Int(minimum=32, maximum=2048, extra={"default": 256})],
    padding: Annotated[Sequence[int], Int(minimum=0, maximum=50, extra={"default": 4})],
) -> ImagesOut:
    """All pictures on one sheet, row by row, each stretched to its cell."""
    pictures = [picture for image in images for picture in image]
    if not pictures:
        raise NodeError("images is an empty list.", "Connect at least one picture.")
    return grid(pictures, columns[0], cell_width[0], cell_height[0], padding[0])


@node("ShuffleDataset", name="Shuffle Image Dataset", category=CATEGORY, takes_lists=True, experimental=True)
def shuffle_dataset(
    ctx: Context, images: ImagesIn, seed: Seeds
) -> Annotated[list[Image], Out("IMAGE", "images", is_list=True)]:
    """The pictures in an order of chance."""
    return [images[index] for index in _shuffled(len(images), seed[0])]


@node(
    "ShuffleImageTextDataset",
    name="Shuffle Image-Text Dataset",
    category=CATEGORY,
    takes_lists=True,
    experimental=True,
)
def shuffle_image_text_dataset(
    ctx: Context,
    images: ImagesIn,
    texts: Annotated[Sequence[str], String(extra={"multiline": False})],
    seed: Seeds,
) -> tuple[
    Annotated[list[Image], Out("IMAGE", "images", is_list=True)],
    Annotated[list[str], Out("STRING", "texts", is_list=True)],
]:
    """The pictures with their texts in an order of chance."""
    if len(texts) < len(images):
        raise NodeError(
            f"There are {len(images)} images and {len(texts)} texts.", "Connect a text for each image."
        )
    order = _shuffled(len(images), seed[0])
    return [images[index] for index in order], [texts[index] for index in order]


def _shuffled(count: int, seed: int) -> list[int]:
    return [int(index) for index in np.random.RandomState(seed % NUMPY_SEEDS).permutation(count)]


def _resized(images: Image, length: int, width_given: bool) -> Image:
    height, width = images.shape[1:3]
    wide = length if width_given or width == height else int(width * (length / height))
    tall = int(height * (length / width)) if width_given else length
    check_size(wide, tall)
    return _each(images, lambda picture: lanczos(picture, wide, tall))


def _cut(picture: Tensor, left: int, top: int, width: int, height: int) -> Tensor:
    return from_pillow(to_pillow(picture[top : top + height, left : left + width]))


def _each(images: Image, change: Callable[[Tensor], Tensor]) -> Image:
    return torch.stack([change(picture) for picture in images])


NODES = (
    adjust_brightness,
    adjust_contrast,
    normalize_images,
    center_crop_images,
    random_crop_images,
    resize_by_shorter_edge,
    resize_by_longer_edge,
    image_deduplication,
    image_grid,
    shuffle_dataset,
    shuffle_image_text_dataset,
)
