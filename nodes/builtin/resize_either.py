"""One node that scales a picture or a mask in whichever way a person chooses."""

import math
from collections.abc import Mapping
from typing import Annotated

from torch import Tensor

from nodes.builtin.image_scale import CROPS, LARGEST, MEGAPIXEL, METHODS, check_size
from nodes.diffusion.resize import Method, resize
from nodes.spec import Combo, Context, DynamicCombo, Float, Int, NodeError, Out, Socket, node
from nodes.spec.sockets import MATCH

SIDE = Int(minimum=0, maximum=LARGEST, step=1, extra={"default": 512})
CROP = Combo(CROPS, bare=False, extra={"default": "center", "multiselect": False})
WAYS = DynamicCombo(
    {
        "scale by multiplier": {
            "multiplier": Float(minimum=0.01, maximum=8.0, step=0.01, extra={"default": 1.0})
        },
        "scale dimensions": {"width": SIDE, "height": SIDE, "crop": CROP},
        "scale longer dimension": {"longer_size": SIDE},
        "scale shorter dimension": {"shorter_size": SIDE},
        "scale width": {"width": SIDE},
        "scale height": {"height": SIDE},
        "scale total pixels": {
            "megapixels": Float(minimum=0.01, maximum=16.0, step=0.01, extra={"default": 1.0})
        },
        "match size": {"match": Socket("IMAGE,MASK"), "crop": CROP},
    }
)
Either = Annotated[
    Tensor,
    Socket(MATCH, extra={"template": {"template_id": "input_type", "allowed_types": "IMAGE,MASK"}}),
]


@node("ResizeImageMaskNode", name="Resize Image/Mask", category="transform")
def resize_image_mask(
    ctx: Context,
    input: Either,
    resize_type: Annotated[Mapping[str, object], WAYS],
    scale_method: Annotated[str, Combo(METHODS, bare=False)] = "area",
) -> Annotated[Tensor, Out(MATCH, "resized")]:
    """Scale a picture or a mask: by a factor, to a size, to one side, to a number of pixels, or to another's size."""
    height, width = _size(input)
    target = _target(resize_type, width, height)
    if target is None or (target == (width, height) and scale_method != Method.LANCZOS.value):
        return input
    wide, tall = target
    check_size(wide, tall)
    crop = str(resize_type.get("crop", "disabled"))
    planes = input.movedim(-1, 1) if input.ndim == 4 else input[:, None]
    sized = resize(planes, wide, tall, scale_method, crop)
    return sized.movedim(1, -1) if input.ndim == 4 else sized[:, 0]


def _target(said: Mapping[str, object], width: int, height: int) -> tuple[int, int] | None:
    """Width and height that a choice asks for; None: to leave all as it is. Lanczos rounds to 8 bits at any size."""

    def number(name: str) -> float:
        value = said.get(name, 0)
        assert isinstance(value, int | float)
        return value

    match said["resize_type"]:
        case "scale by multiplier":
            return round(width * number("multiplier")), round(height * number("multiplier"))
        case "scale longer dimension":
            return _by_side(width, height, int(number("longer_size")), width_given=width >= height)
        case "scale shorter dimension":
            return _by_side(width, height, int(number("shorter_size")), width_given=width <= height)
        case "scale total pixels":
            scale = math.sqrt(int(number("megapixels") * MEGAPIXEL) / (width * height))
            return round(width * scale), round(height * scale)
        case "match size":
            other = said["match"]
            assert isinstance(other, Tensor)
            tall, wide = _size(other)
            return wide, tall
        case "scale dimensions" | "scale width" | "scale height":
            wide, tall = int(number("width")), int(number("height"))
            if not wide and not tall:
                return None
            return wide or max(1, round(width * tall / height)), tall or max(1, round(height * wide / width))
        case other:
            raise NodeError(f"resize_type {other!r} is unknown.", "Choose one from the list.")


def _by_side(width: int, height: int, length: int, *, width_given: bool) -> tuple[int, int]:
    return (
        (length, round(height / width * length)) if width_given else (round(width / height * length), length)
    )


def _size(either: Tensor) -> tuple[int, int]:
    """Height and width of a picture or a mask."""
    return (either.shape[1], either.shape[2]) if either.ndim == 4 else (either.shape[-2], either.shape[-1])


NODES = (resize_image_mask,)
