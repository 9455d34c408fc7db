"""`comfy.clip_vision`: networks that read pictures."""

import sys

from nodes.compat.names.comfy.sd import reference
from nodes.compat.standing import complete
from nodes.compat.vision_face import ClipVisionModel, Output, clip_preprocess
from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.vision_files import find_vision
from nodes.diffusion.vision_values import ClipVision

__all__ = ["ClipVisionModel", "Output", "clip_preprocess"]


def load(ckpt_path):
    """The vision model of a file; None where it holds none."""
    file = reference(ckpt_path)
    try:
        find_vision(file.path)
    except CheckpointUnknown:
        return None
    return ClipVisionModel(ClipVision(file))


complete("comfy.clip_vision", sys.modules[__name__])
