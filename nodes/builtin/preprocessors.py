"""Pictures for control networks: line drawings, tiles, brightness by filters; depth by a network that people have."""

from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, reference
from nodes.diffusion.models.depth import load_depth
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.pose import Box, load_pose
from nodes.diffusion.pictures.skeletons import drawn
from nodes.diffusion.pictures.sketches import blurred, brightness, lightness, lines, tiled
from nodes.diffusion.values import Mask
from nodes.spec import Boolean, Combo, Context, Float, NodeError, Socket, node

CATEGORY, DEPTHS, POSES = "image/preprocessors", "geometry_estimation", "detection"
LUMA, LIGHTNESS = "luma", "lightness (CIE L*)"
Invert = Annotated[bool, Boolean()]


@node("WeftLineArt", name="Line Art", category=CATEGORY)
def line_art(
    ctx: Context,
    image: ImageIn,
    surroundings: Annotated[float, Float(minimum=0.5, maximum=50.0, step=0.1)] = 6.0,
    invert: Invert = False,
) -> ImageOut:
    """White lines on black where a picture is darker than what is around it, by filters alone; inverted, black on white."""
    made = lines(_planes(image), surroundings)
    return _picture(1.0 - made if invert else made)


@node("WeftTileHint", name="Tile", category=CATEGORY)
def tile_hint(
    ctx: Context,
    image: ImageIn,
    times_smaller: Annotated[float, Float(minimum=1.0, maximum=32.0, step=0.25)] = 4.0,
    blur: Annotated[float, Float(minimum=0.0, maximum=64.0, step=0.5)] = 0.0,
) -> ImageOut:
    """The picture without its details, for tile and blur control networks: made smaller and larger again, and blurred."""
    return _picture(blurred(tiled(_planes(image), times_smaller), blur))


@node("WeftBrightness", name="Brightness", category=CATEGORY)
def brightness_hint(
    ctx: Context, image: ImageIn, kind: Annotated[str, Combo((LUMA, LIGHTNESS))] = LUMA
) -> ImageOut:
    """The picture in gray, for control networks that colour it anew."""
    planes = _planes(image)
    return _picture(brightness(planes) if kind == LUMA else lightness(planes))


@node(
    "WeftDepthMap",
    name="Depth Map",
    category=CATEGORY,
    change_token=content_of(DEPTHS, "depth_model"),
)
def depth_map(
    ctx: Context,
    image: ImageIn,
    depth_model: Annotated[str, Combo(folder=DEPTHS)],
    invert: Invert = False,
) -> ImageOut:
    """How near things are, near ones white, by Depth Anything or DPT as transformers saves them.

    The files of a model lie in a folder of their own in models/geometry_estimation: model.safetensors and config.json.
    """
    if not depth_model:
        raise NodeError(
            "There is no network for depth in models/geometry_estimation.",
            "Put Depth Anything there, in a folder of its own: model.safetensors, config.json, preprocessor_config.json.",
        )
    file = reference(ctx, DEPTHS, depth_model)
    with models(ctx) as loaded:
        depth = loaded.beside(Part.DEPTH, file, load_depth).depth(image)
    low, high = depth.amin((1, 2), keepdim=True), depth.amax((1, 2), keepdim=True)
    made = ((depth - low) / (high - low).clamp(min=1e-8))[:, None]
    return _picture(1.0 - made if invert else made)


@node(
    "WeftPoseMap",
    name="Pose Map",
    category=CATEGORY,
    change_token=content_of(POSES, "pose_model"),
)
def pose_map(
    ctx: Context,
    image: ImageIn,
    pose_model: Annotated[str, Combo(folder=POSES)],
    least_sure: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.3,
    people: Annotated[Mask | None, Socket("MASK", optional=True)] = None,
) -> ImageOut:
    """Skeletons of people for pose control networks, by ViTPose as transformers saves it.

    Each mask of `people` marks one person; without any the whole picture is one. The files of a model lie in a folder of
    their own in models/detection: model.safetensors and config.json.
    """
    if not pose_model:
        raise NodeError(
            "There is no network for poses in models/detection.",
            "Put ViTPose there, in a folder of its own: model.safetensors and config.json.",
        )
    file = reference(ctx, POSES, pose_model)
    height, width = image.shape[1:3]
    boxes = [(0.0, 0.0, float(width), float(height))] if people is None else _boxes(people, height, width)
    with models(ctx) as loaded:
        network = loaded.beside(Part.POSE, file, load_pose)
        pictures = [
            drawn(
                [(each.places, each.sure) for each in network.poses(planes, boxes)], height, width, least_sure
            )
            for planes in _planes(image)
        ]
    return _picture(torch.stack(pictures))


def _boxes(people: Mask, height: int, width: int) -> list[Box]:
    """The bounds of each mask, in pixels of the picture; masks of nothing are left out."""
    found: list[Box] = []
    for mask in people.reshape(-1, *people.shape[-2:]):
        rows, columns = (mask > 0.5).any(1).nonzero()[:, 0], (mask > 0.5).any(0).nonzero()[:, 0]
        if len(rows):
            down, across = height / mask.shape[0], width / mask.shape[1]
            left, top = float(columns[0]) * across, float(rows[0]) * down
            right, bottom = float(columns[-1] + 1) * across, float(rows[-1] + 1) * down
            found.append((left, top, right - left, bottom - top))
    return found


def _planes(image: Tensor) -> Tensor:
    planes = image.movedim(-1, 1).float()
    return planes[:, :3] if planes.shape[1] >= 3 else planes[:, :1].expand(-1, 3, -1, -1)


def _picture(planes: Tensor) -> Tensor:
    """Planes of one channel or three as a picture of three."""
    return torch.clamp(planes, 0.0, 1.0).movedim(1, -1).expand(-1, -1, -1, 3).contiguous()


NODES = (line_art, tile_hint, brightness_hint, depth_map, pose_map)
