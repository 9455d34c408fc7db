"""Cameras that move: where each frame of a video is seen from, told to models as the ray behind every pixel.

Sources: He et al. 2024, "CameraCtrl" (arXiv:2404.02101), section 3.2, rays in Pluecker's coordinates; Sitzmann et al. 2021
(arXiv:2106.02634), equation 3.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

TRAINED_ASPECT = 1280 / 720  # of the videos that focal lengths are meant for
TURN, REACH = math.pi / 3, 1.5  # how far a motion goes at speed 1: radians, units
GROUP = 4  # frames to one of latents


@dataclass(frozen=True, slots=True)
class Motion:
    """Where a camera goes, in units of `REACH`, and how it turns about each axis, in units of `TURN`.

    The first axis points right, the second down, the third ahead.
    """

    way: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)


MOTIONS: Mapping[str, Motion] = {
    "Static": Motion(),
    "Pan Up": Motion((0.0, -1.0, 0.0)),
    "Pan Down": Motion((0.0, 1.0, 0.0)),
    "Pan Left": Motion((-1.0, 0.0, 0.0)),
    "Pan Right": Motion((1.0, 0.0, 0.0)),
    "Zoom In": Motion((0.0, 0.0, 2.0)),
    "Zoom Out": Motion((0.0, 0.0, -2.0)),
    "Anti Clockwise (ACW)": Motion(turn=(0.0, 0.0, -1.0)),
    "ClockWise (CW)": Motion(turn=(0.0, 0.0, 1.0)),
}


@dataclass(frozen=True, slots=True)
class Lens:
    """Focal lengths and the middle of the picture, as shares of its width and height."""

    focal_x: float
    focal_y: float
    middle_x: float
    middle_y: float


def rays(
    motion: Motion, speed: float, lens: Lens, width: int, height: int, frames: int
) -> Float[Tensor, "frames height width 6"]:
    """The ray behind the middle of each pixel: moment (place x direction), then direction, of length 1.

    Places and directions are those of the camera of the first frame.
    """
    focal_x, focal_y = lens.focal_x, lens.focal_y
    if width / height < TRAINED_ASPECT:
        focal_x *= height * TRAINED_ASPECT / width
    else:
        focal_y *= width / TRAINED_ASPECT / height
    across = (torch.arange(width) + 0.5 - lens.middle_x * width) / (focal_x * width)
    down = (torch.arange(height) + 0.5 - lens.middle_y * height) / (focal_y * height)
    ahead = torch.stack(
        (across.expand(height, -1), down[:, None].expand(-1, width), torch.ones(height, width)), -1
    )
    ahead = ahead / ahead.pow(2).sum(-1, keepdim=True).sqrt()
    made: list[Tensor] = []
    for frame in range(frames):
        share = frame / frames * speed
        direction = ahead @ _turned([angle * share * TURN for angle in motion.turn]).T
        place = torch.tensor(motion.way) * share * REACH
        made.append(torch.cat((torch.cross(place.expand_as(direction), direction, dim=-1), direction), -1))
    return torch.stack(made)


def grouped(planes: Float[Tensor, "frames height width 6"]) -> Float[Tensor, "1 24 group height width"]:
    """As video models read it: the first frame by itself, four times, then groups of four frames as channels."""
    whole = torch.cat((planes[:1].expand(GROUP, -1, -1, -1), planes[1:]))
    groups = whole.reshape(-1, GROUP, *whole.shape[1:])
    return groups.permute(4, 1, 0, 2, 3).flatten(0, 1)[None].contiguous()


def _turned(angles: list[float]) -> Float[Tensor, "3 3"]:
    """About the first axis, then the second, then the third."""
    whole = torch.eye(3)
    for axis, angle in enumerate(angles):
        one, other = (place for place in range(3) if place != axis)
        sine = math.sin(angle) if axis != 1 else -math.sin(angle)
        step = torch.eye(3)
        step[one, one] = step[other, other] = math.cos(angle)
        step[one, other], step[other, one] = -sine, sine
        whole = step @ whole
    return whole
