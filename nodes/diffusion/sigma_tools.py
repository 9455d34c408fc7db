"""What can be done to a schedule: cut it, turn it, change its start, put levels between."""

import math
import re
from enum import StrEnum

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError

NUMBER = re.compile(r"[-+]?\d*\.?\d+")
SEPARATORS = re.compile(r"[\s,;|/()\[\]{}]+")
NEARLY_ZERO = 1e-4  # a schedule that rises cannot start at 0


class Spacing(StrEnum):
    """How levels that are put between two others lie."""

    LINEAR = "linear"
    COSINE = "cosine"  # more of them near the lower one
    SINE = "sine"  # more of them near the higher one

    def places(self, count: int) -> Tensor:
        """Shares of the way, Float[count], ends not counted."""
        even = torch.linspace(0, 1, count + 2)[1:-1]
        match self:
            case Spacing.LINEAR:
                return even
            case Spacing.COSINE:
                return (even * math.pi / 2).sin()
            case Spacing.SINE:
                return 1 - (even * math.pi / 2).cos()


def read(text: str) -> Tensor:
    """The numbers in a text, Float[levels]; whatever is between them counts for nothing."""
    return torch.tensor([float(number) for number in NUMBER.findall(text)], dtype=torch.float32)


def ignored(text: str) -> tuple[str, ...]:
    """What is written between separators and is no number as `read` knows them: words, and numbers with exponents."""
    entries = (entry.rstrip(".") for entry in SEPARATORS.split(text))
    return tuple(entry for entry in entries if entry and not NUMBER.fullmatch(entry))


def split(sigmas: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """The first steps and the rest; the level between is in both."""
    return sigmas[: step + 1], sigmas[step:]


def split_by_share(sigmas: Tensor, denoise: float) -> tuple[Tensor, Tensor]:
    """What comes before the last share of the steps, and that share. For no step: nothing, and the last level."""
    kept = round(max(len(sigmas) - 1, 0) * denoise)
    return sigmas[:-kept] if kept else sigmas[:0], sigmas[-(kept + 1) :]


def flipped(sigmas: Tensor) -> Tensor:
    """From the last level to the first: a run back to noise. A first level of 0 becomes nearly 0."""
    turned = sigmas.flip(0)
    if len(turned) and turned[0] == 0:
        turned[0] = NEARLY_ZERO
    return turned


def with_first(sigmas: Tensor, sigma: float) -> Tensor:
    """The same from another level.

    Raises:
        DiffusionError: there is none.
    """
    if len(sigmas) == 0:
        raise DiffusionError(
            "The schedule has no sigmas.", "Connect one that has, or raise its denoise above 0."
        )
    changed = sigmas.clone()
    changed[0] = sigma
    return changed


def extended(sigmas: Tensor, steps: int, start: float, end: float, spacing: Spacing) -> Tensor:
    """With levels between those that lie in a range; all others stay.

    Args:
        steps: into how many each step from a level of the range is cut.
        start, end: highest and lowest level of the range; below 0 `start` is above all.
    """
    start = math.inf if start < 0 else start
    places = spacing.places(steps - 1)
    made: list[Tensor] = []
    for index in range(len(sigmas)):
        here = sigmas[index]
        made.append(here.reshape(1))
        if index + 1 < len(sigmas) and end <= here <= start:
            made.append(here + places * (sigmas[index + 1] - here))
    return torch.cat(made) if made else sigmas
