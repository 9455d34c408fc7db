"""Moving points drawn on pictures: a disc where each one is, a tail that fades to where it was."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from PIL import Image as Pillow
from PIL import ImageDraw
from torch import Tensor

from nodes.diffusion.eight_bit import from_pillow, to_pillow
from nodes.diffusion.media import Tracks

COLOURS = ((230, 60, 60), (60, 180, 75), (65, 105, 225), (240, 190, 40), (170, 70, 200))
OPAQUE = 255


@dataclass(frozen=True, slots=True)
class Look:
    """How a point is drawn: widths of its disc and its tail in pixels, frames that the tail lasts, opacity 0 to 1."""

    disc: int
    line: int
    tail: int
    opacity: float


def drawn(frames: Tensor, tracks: Tracks, look: Look) -> Tensor:
    """Frames [frame height width channel] with the points of each, Float[frame height width 3] in steps of 1/255.

    A point that cannot be seen in a frame has neither disc nor tail there.
    """
    path = tracks.path.float().cpu()
    seen = tracks.visibility.bool().cpu().expand(path.shape[:2])
    return torch.stack(
        [_frame(frame[..., :3], path[: index + 1], seen[index], look) for index, frame in enumerate(frames)]
    )


def _frame(picture: Tensor, path: Tensor, seen: Tensor, look: Look) -> Tensor:
    """One frame; `path` is [frame track 2] up to it."""
    below = to_pillow(picture).convert("RGBA")
    layer = Pillow.new("RGBA", below.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for track in range(path.shape[1]):
        if not seen[track]:
            continue
        colour = COLOURS[track % len(COLOURS)]
        points = [(float(x), float(y)) for x, y in path[-(look.tail + 1) :, track]]
        for age, ends in enumerate(reversed(list(pairwise(points)))):
            alpha = round(OPAQUE * look.opacity * (1 - age / look.tail))
            draw.line(ends, fill=(*colour, alpha), width=look.line)
        x, y = points[-1]
        radius = look.disc / 2
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=(*colour, round(OPAQUE * look.opacity)))
    return from_pillow(Pillow.alpha_composite(below, layer).convert("RGB"))
