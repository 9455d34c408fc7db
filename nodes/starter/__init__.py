"""The starter model: where it lies and the settings it is drawn best with."""

from dataclasses import dataclass
from pathlib import Path

NAME = "weft-starter-v0"


@dataclass(frozen=True, slots=True)
class Defaults:
    """Settings for a first picture: `size` is width and height in pixels."""

    size: int = 128
    steps: int = 20
    guidance_scale: float = 3.0
    sampler: str = "ddim"
    schedule: str = "simple"


DEFAULTS = Defaults()


def path() -> Path:
    """The model's folder, in diffusers' layout."""
    return Path(__file__).parent / NAME
