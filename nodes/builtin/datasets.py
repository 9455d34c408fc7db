"""Sets of pictures in folders, with their captions, and what a model is trained on in files."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Annotated

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor

from nodes.builtin import picture_files
from nodes.builtin.image import SAVE_EFFORT, Extra, Prompt
from nodes.diffusion.values import Image
from nodes.spec import Combo, Context, NodeError, Out, Place, Result, Socket, String, node

CATEGORY = "dataset"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
CAPTION = ".txt"
Folder = Annotated[str, Combo(folder="input_folders", bare=False, extra={"multiselect": False})]
ImagesIn = Annotated[Sequence[Image], Socket("IMAGE")]
ImagesOut = Annotated[list[Image], Out("IMAGE", "images", is_list=True)]
Line = String(extra={"multiline": False})
Name = String(extra={"multiline": False, "default": "dataset"})
Prefix = String(extra={"multiline": False, "default": "image"})


@node(
    "LoadImageDataSetFromFolder",
    name="Load Image Dataset from Folder",
    category=CATEGORY,
    experimental=True,
)
def load_image_dataset(ctx: Context, folder: Folder) -> ImagesOut:
    """All pictures of a folder of the input folder as a list, in the order of their names."""
    return [_picture(ctx, name) for name in _named(ctx, folder, (folder,))]


@node(
    "LoadImageTextDataSetFromFolder",
    name="Load Image and Text Dataset from Folder",
    category=CATEGORY,
    experimental=True,
)
def load_image_text_dataset(
    ctx: Context, folder: Folder
) -> tuple[ImagesOut, Annotated[list[str], Out("STRING", "texts", is_list=True)]]:
    """Pictures with their captions: `cat.txt` beside `cat.png`. Those of a subfolder `3_cats` come three times."""
    names: list[str] = []
    for inside in _subfolders(ctx, folder):
        names += _named(ctx, folder, (inside,)) * _times(inside)
    names = [*_named(ctx, folder, (folder,), empty=bool(names)), *names]
    shown: dict[str, tuple[Image, str]] = {
        name: (_picture(ctx, name), _caption(ctx, name)) for name in dict.fromkeys(names)
    }
    return [shown[name][0] for name in names], [shown[name][1] for name in names]


@node(
    "SaveImageDataSetToFolder",
    name="Save Image Dataset to Folder",
    category=CATEGORY,
    output=True,
    takes_lists=True,
    experimental=True,
)
def save_image_dataset(
    ctx: Context,
    images: ImagesIn,
    folder_name: Annotated[Sequence[str], Name],
    filename_prefix: Annotated[Sequence[str], Prefix],
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write pictures as `image_00000.png` and so on to a folder of the output folder; older ones are replaced."""
    del prompt, extra_pnginfo  # pictures to train on carry nothing else
    singles = [picture for image in images for picture in image]
    for number, picture in enumerate(singles):
        _write(ctx, picture, f"{folder_name[0]}/{filename_prefix[0]}_{number:05}")
    return Result()


@node(
    "SaveImageTextDataSetToFolder",
    name="Save Image and Text Dataset to Folder",
    category=CATEGORY,
    output=True,
    takes_lists=True,
    experimental=True,
)
def save_image_text_dataset(
    ctx: Context,
    images: ImagesIn,
    texts: Annotated[Sequence[str], Line],
    folder_name: Annotated[Sequence[str], Name],
    filename_prefix: Annotated[Sequence[str], Prefix],
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write pictures with their captions to a folder of the output folder; older ones are replaced."""
    del prompt, extra_pnginfo
    singles = [picture for image in images for picture in image]
    if len(singles) != len(texts):
        raise NodeError(
            f"images holds {len(singles)} pictures and texts {len(texts)}.",
            "Connect one text for each picture.",
        )
    for number, (picture, text) in enumerate(zip(singles, texts, strict=True)):
        name = f"{folder_name[0]}/{filename_prefix[0]}_{number:05}"
        _write(ctx, picture, name)
        with ctx.files.overwrite(Place.OUTPUT, name + CAPTION).writing() as path:
            path.write_text(text, encoding="utf-8")
    return Result()


def _write(ctx: Context, picture: Tensor, name: str) -> None:
    with ctx.files.overwrite(Place.OUTPUT, name + ".png").writing() as path:
        picture_files.write_png(path, picture, None, None, effort=SAVE_EFFORT)
    ctx.check_stop()


def _named(ctx: Context, folder: str, inside: Sequence[str], *, empty: bool = False) -> list[str]:
    """Names of the pictures that lie right in folders of the input folder.

    Raises:
        NodeError: there is none, unless that may be (`empty`).
    """
    names = [
        name
        for name in ctx.files.choices(Place.INPUT.value)
        if str(PurePosixPath(name).parent) in inside and PurePosixPath(name).suffix.lower() in SUFFIXES
    ]
    if not names and not empty:
        raise NodeError(
            f"The folder {folder} holds no pictures.",
            f"Put files of {', '.join(SUFFIXES)} into it, below the input folder.",
        )
    return names


def _subfolders(ctx: Context, folder: str) -> Iterator[str]:
    above = PurePosixPath(folder)
    parents = {PurePosixPath(name).parent for name in ctx.files.choices(Place.INPUT.value)}
    yield from sorted(str(parent) for parent in parents if parent.parent == above)


def _times(folder: str) -> int:
    """How often the pictures of a folder come: what its name begins with, `3_cats`."""
    number = PurePosixPath(folder).name.partition("_")[0]
    return int(number) if number.isdecimal() else 1


def _picture(ctx: Context, name: str) -> Image:
    """One picture [1 height width 3] as it lies in its file: what a camera says of its turn is left alone.

    Raises:
        NodeError: it cannot be read.
    """
    ctx.check_stop()
    try:
        with Pillow.open(ctx.files.picture(name)) as opened:
            picture = opened.point(lambda value: value * (1 / 255)) if opened.mode == "I" else opened
            pixels = np.asarray(picture.convert("RGB"))
    except Exception as error:  # what is wrong with a file shows itself in every kind of error
        raise NodeError(
            f"The picture {name} cannot be read ({error}).", "Take it out of the folder, or save it anew."
        ) from error
    return torch.from_numpy(pixels.astype(np.float32) / 255.0)[None]


def _caption(ctx: Context, name: str) -> str:
    """What stands beside a picture; empty where nothing does."""
    path = ctx.files.picture(name).with_suffix(CAPTION)
    return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else ""


NODES = (load_image_dataset, load_image_text_dataset, save_image_dataset, save_image_text_dataset)
