"""`comfy.utils`: progress bars, files of weights, scaling of pictures."""

import io
import math
import os
import time
import zlib
from collections import Counter

import torch
import torch.nn.functional as F

from nodes.compat import current, tiling
from nodes.diffusion.resize import Method, resize
from nodes.spec import Preview, Stopped

PROGRESS_BAR_ENABLED = True
ALWAYS_SAFE_LOAD = True  # files are read without running code of theirs
PROGRESS_BAR_HOOK = None
APART = 0.1  # seconds between two reports
ATTR_UNSET = object()  # as a value of `set_attr`: take the attribute away


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
    """Through 8 bits a channel; planes of one channel come back without that axis, as packs expect."""
    made = resize(samples, width, height, Method.LANCZOS.value)
    return made[:, 0] if made.shape[1] == 1 else made


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
    """Set what a dotted name leads to, or take it away (`ATTR_UNSET`); returns what was there."""
    *path, last = attr.split(".")
    holder = get_attr(obj, ".".join(path)) if path else obj
    previous = getattr(holder, last, ATTR_UNSET)
    if value is ATTR_UNSET:
        delattr(holder, last)
    else:
        setattr(holder, last, value)
    return previous


def set_attr_param(obj, attr, value):
    return set_attr(obj, attr, torch.nn.Parameter(value, requires_grad=False))


def copy_to_param(obj, attr, value):
    get_attr(obj, attr).data.copy_(value)


def repeat_to_batch_size(tensor, batch_size, dim=0):
    size = tensor.shape[dim]
    if size > batch_size:
        return tensor.narrow(dim, 0, batch_size)
    if size == batch_size:
        return tensor
    index = torch.arange(batch_size, device=tensor.device) % size
    return tensor.index_select(dim, index)


def resize_to_batch_size(tensor, batch_size):
    """As many items, spread evenly over those there are."""
    size = tensor.shape[0]
    if size == batch_size:
        return tensor
    if batch_size <= 1:
        return tensor[:batch_size]
    last = size - 1
    if batch_size < size:
        index = [round(at * last / (batch_size - 1)) for at in range(batch_size)]
    else:
        index = [min(int((at + 0.5) * size / batch_size), last) for at in range(batch_size)]
    return tensor[index]


def weight_dtype(sd, prefix=""):
    """The type that most numbers of these weights have; None for none."""
    counts = Counter()
    for name, weight in sd.items():
        if name.startswith(prefix):
            counts[weight.dtype] += weight.numel()
    return counts.most_common(1)[0][0] if counts else None


def state_dict_key_replace(state_dict, keys_to_replace):
    for old, new in keys_to_replace.items():
        if old in state_dict:
            state_dict[new] = state_dict.pop(old)
    return state_dict


def string_to_seed(data):
    return zlib.crc32(data.encode() if isinstance(data, str) else bytes(data))


def reshape_mask(input_mask, output_shape):
    """A mask at the sides of `output_shape` [batch channel *sides], repeated to its channels and batch."""
    sides = len(output_shape) - 2
    mask = input_mask
    if sides == 1:
        mask, mode = mask.reshape(-1, 1, mask.shape[-1]), "linear"
    elif sides == 2:
        mask, mode = mask.reshape(-1, 1, *mask.shape[-2:]), "bilinear"
    else:
        mask, mode = mask.reshape(1 if mask.ndim < 5 else len(mask), 1, -1, *mask.shape[-2:]), "trilinear"
    mask = F.interpolate(mask, size=tuple(output_shape[2:]), mode=mode)
    if mask.shape[1] < output_shape[1]:
        mask = mask.repeat((1, output_shape[1], *(1,) * sides))[:, : output_shape[1]]
    return repeat_to_batch_size(mask, output_shape[0])


def pack_latents(latents):
    """Several latents as one [batch 1 numbers], and their shapes."""
    return torch.cat([one.reshape(len(one), 1, -1) for one in latents], dim=-1), [
        one.shape for one in latents
    ]


def unpack_latents(combined_latent, latent_shapes):
    if len(latent_shapes) <= 1:
        return (
            [combined_latent]
            if not latent_shapes
            else [combined_latent.reshape(_batched(combined_latent, latent_shapes[0]))]
        )
    made, at = [], 0
    for shape in latent_shapes:
        size = math.prod(shape[1:])
        made.append(combined_latent[:, :, at : at + size].reshape(_batched(combined_latent, shape)))
        at += size
    return made


def _batched(combined, shape):
    return (len(combined), *shape[1:])


def get_tiled_scale_steps(width, height, tile_x, tile_y, overlap):
    return tiling.tile_count(width, height, tile_x, tile_y, overlap)


def tiled_scale_multidim(
    samples,
    function,
    tile=(64, 64),
    overlap=8,
    upscale_amount=4,
    out_channels=3,
    output_device="cpu",
    downscale=False,
    index_formulas=None,
    pbar=None,
):
    """What `function` gives of samples in tiles, put together; see `tiling.tiled`."""
    sides = len(tile)
    amounts = tiling.per_side(upscale_amount, sides)
    if downscale:
        amounts = [amount if callable(amount) else 1 / amount for amount in amounts]
    with torch.inference_mode():
        return tiling.tiled(
            samples,
            function,
            tile,
            tiling.per_side(overlap, sides),
            [tiling.scaling(amount) for amount in amounts],
            out_channels,
            output_device,
            lambda: pbar.update(1) if pbar is not None else None,
        )


def tiled_scale(
    samples,
    function,
    tile_x=64,
    tile_y=64,
    overlap=8,
    upscale_amount=4,
    out_channels=3,
    output_device="cpu",
    pbar=None,
):
    return tiled_scale_multidim(
        samples, function, (tile_y, tile_x), overlap, upscale_amount, out_channels, output_device, pbar=pbar
    )
