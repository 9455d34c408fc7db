"""`comfy.ldm.common_dit`: patches and norms."""

import torch
import torch.nn.functional as F


def pad_to_patch_size(img, patch_size=(2, 2), padding_mode="circular"):
    """Sides lengthened at their ends to whole patches."""
    sizes = img.shape[2:]
    missing = [-size % patch for size, patch in zip(sizes, patch_size, strict=True)]
    if padding_mode == "circular" and (torch.jit.is_tracing() or torch.jit.is_scripting()):
        padding_mode = "reflect"
    pads = [each for amount in reversed(missing) for each in (0, amount)]
    return F.pad(img, pads, mode=padding_mode)


def rms_norm(x, weight=None, eps=1e-6):
    weight = None if weight is None else weight.to(dtype=x.dtype, device=x.device)
    return F.rms_norm(x, (x.shape[-1],), weight, eps)
