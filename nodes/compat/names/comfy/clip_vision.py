"""`comfy.clip_vision`: networks that read pictures."""

import sys

import torch

from nodes.compat.names.comfy.sd import kept, reference
from nodes.compat.standing import complete
from nodes.compat.vision_face import ClipVisionModel, Output, clip_preprocess, vision_of

__all__ = ["ClipVisionModel", "Output", "clip_preprocess"]


def load(ckpt_path):
    """The vision model of a file; None where it holds none."""
    return vision_of(reference(ckpt_path))


def load_clipvision_from_sd(sd, prefix="", convert_keys=False):
    """The vision model of weights whose names begin with `prefix`; None where they hold none. `sd` stays as it is.

    Args:
        convert_keys: the names are OpenCLIP's; Weft tells by the names themselves.
    """
    del convert_keys
    tensors = {
        name: each for name, each in sd.items() if name.startswith(prefix) and isinstance(each, torch.Tensor)
    }
    return vision_of(kept(tensors)) if tensors else None


complete("comfy.clip_vision", sys.modules[__name__])
