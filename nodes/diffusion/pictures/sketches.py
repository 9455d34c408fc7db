"""Pictures for control networks by filters alone: line drawings, tiles, brightness."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.pictures.colour import LUMA
from nodes.diffusion.pictures.filters import filtered, gaussian

SPREAD = 3.0  # how many standard deviations a blur reaches
FLOOR = (
    8.0 / 255.0
)  # least middle of what counts as lines, so that an empty picture does not become all lines
WIDTH = 8.0 / 255.0  # differences below this are no lines


def brightness(pictures: Tensor) -> Tensor:
    """Rec. 601 luma, Float[batch 1 height width], of pictures [batch 3 height width] in 0..1."""
    weights = torch.tensor(LUMA, dtype=pictures.dtype, device=pictures.device).view(1, 3, 1, 1)
    return (pictures * weights).sum(1, keepdim=True)


def lightness(pictures: Tensor) -> Tensor:
    """CIE L* of sRGB pictures [batch 3 height width], 0..1, Float[batch 1 height width]."""
    linear = torch.where(pictures <= 0.04045, pictures / 12.92, ((pictures + 0.055) / 1.055) ** 2.4)
    weights = torch.tensor((0.2126, 0.7152, 0.0722), dtype=pictures.dtype, device=pictures.device)
    luminance = (linear * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)
    curve = torch.where(
        luminance > (6 / 29) ** 3,
        luminance.clamp(min=1e-12) ** (1 / 3),
        luminance / (3 * (6 / 29) ** 2) + 4 / 29,
    )
    return (1.16 * curve - 0.16).clamp(0.0, 1.0)


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """A Gaussian of this deviation in pixels, borders reflected; 0 is none."""
    if sigma <= 0.0:
        return pictures
    reach = min(max(round(SPREAD * sigma), 1), min(pictures.shape[-2:]) - 1)
    return filtered(pictures, gaussian(reach, sigma / reach)) if reach > 0 else pictures


def lines(pictures: Tensor, sigma: float) -> Tensor:
    """What is darker than its surroundings, as white lines on black, Float[batch 1 height width].

    The difference to a blurred picture, at the scale of its own middle: as the "standard" line preprocessor of the field's
    ControlNet collection does it, in all colours at once.

    Args:
        sigma: how wide the surroundings are, in pixels.
    """
    darker = (blurred(pictures, sigma) - pictures).amin(1, keepdim=True).clamp(min=0.0)
    scales: list[Tensor] = []
    for each in darker:
        marked = each[each > WIDTH]
        middle = marked.median() if marked.numel() else each.new_zeros(())
        scales.append(middle.clamp(min=FLOOR))
    return (darker / torch.stack(scales).view(-1, 1, 1, 1) * 0.5).clamp(0.0, 1.0)


def tiled(pictures: Tensor, times: float) -> Tensor:
    """A picture with fewer details at its own size: made smaller by area, then larger again."""
    height, width = pictures.shape[-2:]
    small = max(round(height / times), 1), max(round(width / times), 1)
    made = F.interpolate(pictures, small, mode="area")
    return F.interpolate(made, (height, width), mode="bilinear", antialias=False)
