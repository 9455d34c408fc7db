"""`comfy_api.latest`: `Input`, `InputImpl`, `Types`. Films are described; reading and writing them is not there yet."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any


class VideoContainer(StrEnum):
    AUTO = "auto"
    MP4 = "mp4"
    MKV = "mkv"
    WEBM = "webm"

    @classmethod
    def as_input(cls):
        return [entry.value for entry in cls]


class VideoCodec(StrEnum):
    AUTO = "auto"
    H264 = "h264"
    AV1 = "av1"

    @classmethod
    def as_input(cls):
        return [entry.value for entry in cls]


@dataclass
class VideoComponents:
    """Pictures [frame, height, width, channel], how many of them a second has, and what goes with them."""

    images: Any
    frame_rate: Fraction
    audio: Any = None
    metadata: Any = None
    alpha: Any = None


class _NotYet:
    """A class that packs import and derive from; making one says what is missing."""

    def __init__(self, *_args, **_more):
        raise NotImplementedError(f"Weft has no {type(self).__name__} yet: this node needs films.")


class VideoFromFile(_NotYet):
    pass


class VideoFromComponents(_NotYet):
    pass


class Types:
    VideoComponents = VideoComponents
    VideoContainer = VideoContainer
    VideoCodec = VideoCodec


class InputImpl:
    VideoFromFile = VideoFromFile
    VideoFromComponents = VideoFromComponents


class Input:
    """Kinds of values, for annotations."""

    Image = Mask = Latent = Audio = Any

    class Video:
        """What films answer to; those of packs may derive from it."""
