"""How far two pictures are from each other, over decoded 8-bit values."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

MOST = 255


@dataclass(frozen=True, slots=True)
class Distance:
    """Between two pictures of one size.

    Attributes:
        largest, mean: of the absolute differences of channel values, 0 to 255.
        psnr: peak signal-to-noise ratio in dB; infinite for equal pictures.
        share: of pixels that differ, 0 to 1.
    """

    largest: int
    mean: float
    psnr: float
    share: float

    @property
    def is_zero(self) -> bool:
        """Whether every pixel is the same."""
        return self.largest == 0


def distance(one: Path, other: Path) -> Distance | None:
    """How far apart; None if they have different sizes. Alpha counts where one of the two has it.

    Raises:
        OSError: one of them cannot be read.
    """
    with Image.open(one) as first, Image.open(other) as second:
        if first.size != second.size:
            return None
        mode = "RGBA" if first.has_transparency_data or second.has_transparency_data else "RGB"
        a, b = (np.asarray(picture.convert(mode), dtype=np.int16) for picture in (first, second))
    apart = np.abs(a - b)
    mean_square = float(np.mean(np.square(apart, dtype=np.float64)))
    psnr = math.inf if mean_square == 0 else 10 * math.log10(MOST**2 / mean_square)
    return Distance(int(apart.max()), float(apart.mean()), psnr, float(apart.any(axis=-1).mean()))
