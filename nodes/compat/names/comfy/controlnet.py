"""`comfy.controlnet`: control networks from files, and what is set on them."""

from pathlib import Path

from nodes.builtin.loaders import SHUFFLED
from nodes.compat.controls import ControlBase, ControlNet, StrengthType
from nodes.compat.names.comfy.sd import holds, reference
from nodes.compat.names.comfy.utils import repeat_to_batch_size
from nodes.diffusion.models.detect import Part
from nodes.diffusion.values import ControlNet as Recipe

__all__ = ["ControlBase", "ControlNet", "StrengthType"]


class ControlNetSD35(ControlNet):
    pass


class ControlLora(ControlNet):
    pass


class T2IAdapter(ControlNet):
    pass


def load_controlnet(ckpt_path, model=None, model_options=None):
    """A control network of a file; None where it holds none."""
    file = reference(ckpt_path)
    if not holds(file, Part.CONTROL):
        return None
    base = getattr(model, "recipe", None)
    return ControlNet(Recipe(file, Path(ckpt_path).stem.endswith(SHUFFLED), base=base))


def broadcast_image_to(tensor, target_batch_size, batched_number):
    """A picture for each item, in each of the batched parts."""
    if len(tensor) == 1:
        return tensor
    each = target_batch_size // batched_number
    tensor = repeat_to_batch_size(tensor[:each], each)
    return (
        tensor
        if len(tensor) == target_batch_size
        else tensor.repeat(batched_number, *[1] * (tensor.ndim - 1))
    )
