"""`comfy.utils`: progress bars, files of weights, scaling of pictures."""

import io
import os
import time

import torch
import torch.nn.functional as F

from nodes.compat import current
from nodes.diffusion.resize import Method, resize
from nodes.spec import Preview, Stopped

PROGRESS_BAR_ENABLED = True
PROGRESS_BAR_HOOK = None
APART = 0.1  # seconds between two reports


def set_progress_bar_enabled(enabled):
    globals()["PROGRESS_BAR_ENABLED"] = enabled


def set_progress_bar_global_hook(function):
    globals()["PROGRESS_BAR_HOOK"] = function


def _report(current_value, total, preview, node_id=None):
    """Where progress goes unless a pack set a hook of its own: to the running node, which also answers Stop."""
    call = current.running()
    if call is None:
        return
    try:
        call.context.progress(
            int(current_value), int(total), _encoded(preview) if call.context.previews else None
        )
    except Stopped as stopped:
        raise current.InterruptProcessingException from stopped


def _encoded(preview):
    """A preview as packs give it, (format, picture, longest side or None), as bytes."""
    if preview is None:
        return None
    kind, picture, longest = preview
    kind = "PNG" if str(kind).upper() == "PNG" else "JPEG"
    if longest is not None and max(picture.size) > longest:
        picture = picture.copy()
        picture.thumbnail((longest, longest))
    buffer = io.BytesIO()
    (picture if kind == "PNG" else picture.convert("RGB")).save(buffer, kind, quality=95)
    return Preview(buffer.getvalue(), kind.lower())


class ProgressBar:
    def __init__(self, total, node_id=None):
        self.total = total
        self.current = 0
        self.hook = PROGRESS_BAR_HOOK or _report
        self.node_id = node_id
        self._told = (0.0, 0)

    def update_absolute(self, value, total=None, preview=None):
        if total is not None:
            self.total = total
        self.current = min(value, self.total)
        at, last = self._told
        now = time.monotonic()
        due = now - at >= APART and self.current - last >= 0.005 * self.total
        if preview is not None or self.current in (0, self.total) or at == 0.0 or due:
            self._told = (now, self.current)
            self.hook(self.current, self.total, preview, node_id=self.node_id)

    def update(self, value):
        self.update_absolute(self.current + value)


def common_upscale(samples, width, height, upscale_method, crop):
    """Pictures [batch channel height width], or 5-D with frames, at another size."""
    if upscale_method in {method.value for method in Method}:
        return resize(samples, width, height, upscale_method, "center" if crop == "center" else "disabled")
    return F.interpolate(samples, size=(height, width), mode=upscale_method)


def lanczos(samples, width, height):
    return resize(samples, width, height, Method.LANCZOS.value)


def bislerp(samples, width, height):
    return resize(samples, width, height, Method.BISLERP.value)


def load_torch_file(ckpt, safe_load=False, device=None, return_metadata=False):
    device = torch.device("cpu") if device is None else device
    if os.fspath(ckpt).lower().endswith((".safetensors", ".sft")):
        from safetensors import safe_open

        with safe_open(ckpt, framework="pt", device=str(device)) as opened:
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dict
            metadata = opened.metadata()
        return (weights, metadata) if return_metadata else weights
    weights = torch.load(ckpt, map_location=device, weights_only=True)
    if "state_dict" in weights:
        weights = weights["state_dict"]
    elif len(weights) == 1 and isinstance(next(iter(weights.values())), dict):
        weights = next(iter(weights.values()))
    return (weights, None) if return_metadata else weights


def save_torch_file(sd, ckpt, metadata=None):
    from safetensors.torch import save_file

    save_file(sd, ckpt, metadata=metadata)


def state_dict_prefix_replace(state_dict, replace_prefix, filter_keys=False):
    made = {} if filter_keys else state_dict
    for old, new in replace_prefix.items():
        for name in [name for name in state_dict if name.startswith(old)]:
            made[new + name[len(old) :]] = state_dict.pop(name)
    return made


def calculate_parameters(sd, prefix=""):
    return sum(weight.nelement() for name, weight in sd.items() if name.startswith(prefix))


def get_attr(obj, attr):
    for part in attr.split("."):
        obj = getattr(obj, part)
    return obj


def set_attr(obj, attr, value):
    *path, last = attr.split(".")
    holder = get_attr(obj, ".".join(path)) if path else obj
    previous = getattr(holder, last)
    setattr(holder, last, value)
    return previous


def repeat_to_batch_size(tensor, batch_size, dim=0):
    size = tensor.shape[dim]
    if size > batch_size:
        return tensor.narrow(dim, 0, batch_size)
    if size == batch_size:
        return tensor
    index = torch.arange(batch_size, device=tensor.device) % size
    return tensor.index_select(dim, index)
