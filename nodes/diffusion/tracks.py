"""Paths of points over the frames of a video, for models that move what they show along them."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.media import Tracks

PIXELS, GROUP = 8, 4  # pixels to a place of Wan's latents, frames to one of theirs
EASINGS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda share: share,
    "ease_in": lambda share: share**2,
    "ease_out": lambda share: 1 - (1 - share) ** 2,
    "ease_in_out": lambda share: share**2 * (3 - 2 * share),
    "constant": torch.zeros_like,
}


def along(
    points: tuple[tuple[float, float], ...], frames: int, easing: str
) -> tuple[Float[Tensor, "frames 2"], Float[Tensor, "frames 2"]]:
    """A line through two points or a quadratic Bezier curve through three, and its direction, frame by frame.

    Args:
        points: in pixels; of three, the middle one is what draws the curve.
        easing: a name of `EASINGS`.
    """
    share = EASINGS[easing](torch.linspace(0, 1, frames))[:, None]
    start, end = torch.tensor(points[0]), torch.tensor(points[-1])
    if len(points) == 2:
        path = start + (end - start) * share
        return path, (end - start).expand_as(path)
    middle = torch.tensor(points[1])
    path = (1 - share) ** 2 * start + 2 * (1 - share) * share * middle + share**2 * end
    return path, 2 * (1 - share) * (middle - start) + 2 * share * (end - middle)


def beside(
    path: Float[Tensor, "frames 2"], direction: Float[Tensor, "frames 2"], count: int, distance: float
) -> Float[Tensor, "frames tracks 2"]:
    """So many tracks side by side around a path, at a distance in pixels across its direction."""
    length = (direction**2).sum(-1, keepdim=True).sqrt()
    ahead = torch.where(length > 0, direction / length.clamp(min=1e-12), torch.tensor([1.0, 0.0]))
    across = torch.stack((-ahead[:, 1], ahead[:, 0]), -1)
    offsets = (torch.arange(count) - (count - 1) / 2) * distance
    return path[:, None] + across[:, None] * offsets[None, :, None]


def seen(
    mask: Float[Tensor, "frames height width"] | None, frames: int, count: int
) -> Bool[Tensor, "frames tracks"]:
    """When tracks can be seen: always, or in the frames in which a mask is not empty (then for all tracks at once)."""
    if mask is None:
        return torch.ones(frames, count, dtype=torch.bool)
    return (mask > 0).flatten(1).any(1)[:, None]


def carried(shown: Tensor, tracks: Tracks, strength: float) -> Tensor:
    """A video's latents [1 channel frame height width] into which what lies where tracks begin is carried along them.

    Where tracks meet, the later one goes on from what the earlier one made; the field takes them in an order of chance.

    Raises:
        DiffusionError: they are no video's.
    """
    if shown.ndim != 5:
        raise DiffusionError("The VAE encodes no videos, so nothing can move.", "Connect the VAE of Wan.")
    made = shown.clone()
    path = tracks.path.float().cpu()
    visible = tracks.visibility.bool().cpu().expand(path.shape[:2])
    frames, height, width = shown.shape[2:]
    cells = (path / PIXELS).floor().long()
    inside = (cells >= 0).all(-1) & (cells[..., 0] < width) & (cells[..., 1] < height) & visible
    for track in range(path.shape[1]):
        if not inside[0, track]:
            continue
        column, row = (int(place) for place in cells[0, track])
        start = shown[:, :, 0, row, column]
        for frame in range(1, frames):
            at = min(frame * GROUP, len(path) - 1)
            if inside[at, track]:
                x, y = (int(place) for place in cells[at, track])
                made[:, :, frame, y, x] += strength * (start - made[:, :, frame, y, x])
    return made
