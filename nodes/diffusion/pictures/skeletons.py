"""Skeletons of people as control networks for poses were trained to read them: coloured limbs and joints on black.

Source: Cao et al. 2018 (OpenPose, arXiv:1812.08008): 18 points, the neck between the shoulders, a colour for each limb.
"""

import colorsys
from collections.abc import Sequence

import torch
from torch import Tensor

# OpenPose's points by those of COCO, whose first five are nose, eyes and ears; None is the neck.
POINTS = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (5, 6)
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
    (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
DIM = 0.6  # of limbs beside joints
THICKNESS = 4.0  # half of a limb's width, in a picture of 512 pixels
USUAL = 512.0


def body(places: Tensor, sure: Tensor) -> tuple[Tensor, Tensor]:
    """OpenPose's 18 points of COCO's 17, Float[18 2], and how sure they are."""
    left, right = SHOULDERS
    neck, known = (places[left] + places[right]) / 2, torch.minimum(sure[left], sure[right])
    rows = [neck if point is None else places[point] for point in POINTS]
    return torch.stack(rows), torch.stack([known if point is None else sure[point] for point in POINTS])


def drawn(people: Sequence[tuple[Tensor, Tensor]], height: int, width: int, least: float) -> Tensor:
    """People as a picture, Float[3 height width]: COCO's places in pixels, and how sure each is.

    Args:
        least: points that are less sure are left out.
    """
    picture = torch.zeros(3, height, width)
    reach = THICKNESS * min(height, width) / USUAL
    rows, columns = torch.arange(height)[:, None].float(), torch.arange(width)[None].float()
    for places, sure in people:
        points, known = body(places, sure)
        for number, (one, other) in enumerate(LIMBS):
            if min(float(known[one]), float(known[other])) >= least:
                near = _beside(points[one], points[other], rows, columns) <= reach
                picture = torch.where(near, _colour(number) * DIM, picture)
        for number, point in enumerate(points):
            if float(known[number]) >= least:
                near = (rows - point[1]).square() + (columns - point[0]).square() <= reach**2
                picture = torch.where(near, _colour(number), picture)
    return picture


def _colour(number: int) -> Tensor:
    """One of 18 hues, red first, Float[3 1 1]."""
    return torch.tensor(colorsys.hsv_to_rgb(number / len(POINTS), 1.0, 1.0)).view(3, 1, 1)


def _beside(start: Tensor, end: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """How far each place is from a line between two points."""
    along = end - start
    length = along.square().sum().clamp(min=1e-6)
    share = ((columns - start[0]) * along[0] + (rows - start[1]) * along[1]) / length
    share = share.clamp(0.0, 1.0)
    across = (columns - start[0] - share * along[0]).square()
    return (across + (rows - start[1] - share * along[1]).square()).sqrt()
