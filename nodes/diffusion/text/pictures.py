"""Pictures for language models that see: cut into patches, as Qwen2.5-VL reads them (Bai et al. 2025, arXiv:2502.13923)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH, MERGED, FRAMES = (
    14,
    2,
    2,
)  # pixels of a patch's side; patches of a word's side; times that a still picture is shown
SIDE = PATCH * MERGED
MEANS = (0.48145466, 0.4578275, 0.40821073)  # CLIP's
DEVIATIONS = (0.26862954, 0.26130258, 0.27577711)
COLOURS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """A picture as patches, those of a word one after the other.

    Attributes:
        pixels: Float[patch colour*frame*row*column].
        rows, columns: of patches.
    """

    pixels: Tensor
    rows: int
    columns: int

    @property
    def words(self) -> int:
        """How many places it takes among the words of a prompt."""
        return self.rows * self.columns // MERGED**2


def patches(image: Tensor) -> Patches:
    """The first picture of a batch, brought to sides that are multiples of 28.

    Args:
        image: Float[batch height width colour] of 0..1, three colours or more.
    """
    planes = image[:1, ..., :COLOURS].movedim(-1, 1).float()
    height, width = (max(1, round(side / SIDE)) * SIDE for side in planes.shape[-2:])
    if planes.shape[-2:] != (height, width):
        planes = F.interpolate(planes, (height, width), mode="bicubic", antialias=True).clamp(0.0, 1.0)
    means, deviations = (torch.tensor(values)[:, None, None] for values in (MEANS, DEVIATIONS))
    rows, columns = height // PATCH, width // PATCH
    shown = ((planes[0] - means) / deviations).reshape(
        COLOURS, rows // MERGED, MERGED, PATCH, columns // MERGED, MERGED, PATCH
    )
    ordered = shown.permute(1, 4, 2, 5, 0, 3, 6)  # words' rows and columns, patches' within them, then pixels
    twice = ordered[:, :, :, :, :, None].expand(-1, -1, -1, -1, -1, FRAMES, -1, -1)
    return Patches(twice.reshape(rows * columns, -1), rows, columns)
