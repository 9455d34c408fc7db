"""Sound, video and paths through it, as they travel between nodes: on the CPU, nothing encoded."""

from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from nodes.diffusion.values import CheckpointRef


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Sound between nodes, on the CPU.

    Attributes:
        waveform: Float[batch channel sample], about -1..1.
        sample_rate: samples a second.
    """

    waveform: Tensor
    sample_rate: int


@dataclass(frozen=True, slots=True, eq=False)
class Video:
    """A video between nodes, nothing of it encoded: its frames, how many a second, and its sound."""

    images: Tensor  # Float[frame height width channel], 0..1
    fps: float
    audio: Audio | None = None


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video that lies in a file: which one and what part of it, in seconds. Nothing is read before it is needed.

    Attributes:
        duration: 0: to its end.
    """

    file: CheckpointRef
    start: float = 0.0
    duration: float = 0.0


Film: TypeAlias = Video | VideoFile


@dataclass(frozen=True, slots=True)
class Svg:
    """Drawings as SVG files, each a whole one, in UTF-8."""

    files: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """Paths of points over frames.

    Attributes:
        path: Float[frame track 2], x and y in pixels.
        visibility: Bool[frame track], or Bool[frame 1] for all tracks at once.
    """

    path: Tensor
    visibility: Tensor
