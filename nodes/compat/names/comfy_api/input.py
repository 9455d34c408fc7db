"""`comfy_api.input`: kinds of values on wires, for annotations."""

from typing import Any, TypedDict

import torch

from nodes.compat.names.comfy_api.latest.values import VideoInput

__all__ = ["AudioInput", "BasicInput", "ImageInput", "LatentInput", "MaskInput", "VideoInput"]

ImageInput = MaskInput = torch.Tensor
BasicInput = Any


class AudioInput(TypedDict):
    waveform: torch.Tensor
    sample_rate: int


LatentInput = dict[str, Any]
