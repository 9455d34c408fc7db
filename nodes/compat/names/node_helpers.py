"""`node_helpers`: small changes of conditioning, and pictures."""

import hashlib

import torch

APART = 1e-5  # between ranges of steps that follow each other


def conditioning_set_values(conditioning, values=None, append=False):
    """A new list with the same tensors and changed options; `append` joins to what an option holds already."""
    made = []
    for tensor, options in conditioning:
        changed = dict(options)
        for name, value in (values or {}).items():
            changed[name] = changed[name] + value if append and name in changed else value
        made.append([tensor, changed])
    return made


def conditioning_set_values_with_timestep_range(
    conditioning, values=None, start_percent=0.0, end_percent=1.0
):
    """Changed options within a part of the run; before and after it they stay as they were."""
    if start_percent > end_percent:
        return conditioning
    made = []
    for entry in conditioning:
        first, last = entry[1].get("start_percent", 0.0), entry[1].get("end_percent", 1.0)
        start, end = max(first, start_percent), min(last, end_percent)
        if start >= end:
            made.append(entry)
            continue
        if start > first:
            made += conditioning_set_values([entry], {"start_percent": first, "end_percent": start - APART})
        made += conditioning_set_values(
            [entry], {**(values or {}), "start_percent": start, "end_percent": end}
        )
        if end < last:
            made += conditioning_set_values([entry], {"start_percent": end + APART, "end_percent": last})
    return made


def pillow(fn, arg):
    """`fn(arg)`; a picture whose file is cut off is read as far as it goes."""
    from PIL import ImageFile, UnidentifiedImageError

    try:
        return fn(arg)
    except (OSError, UnidentifiedImageError, ValueError):
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return fn(arg)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before


def hasher():
    return hashlib.sha256


def string_to_torch_dtype(string):
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}.get(string)


def image_alpha_fix(destination, source):
    """Both with as many channels: the source's alpha is cut off, or an opaque one added."""
    if destination.shape[-1] < source.shape[-1]:
        source = source[..., : destination.shape[-1]]
    elif destination.shape[-1] > source.shape[-1]:
        source = torch.nn.functional.pad(source, (0, 1), value=1.0)
    return destination, source
