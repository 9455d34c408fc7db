"""A condition of the field's samplers on latents: its rectangle, how much it counts there, what can be asked at once."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nodes.compat.standing import refuse
from nodes.compat.surgery.rules import taken
from nodes.diffusion.regions import bounded, rectangle, weight


class Piece(NamedTuple):
    """One condition on latents.

    Attributes:
        input_x: the latents in its rectangle. mult: how much it counts there, of that shape.
        conditioning: what the network reads, by name. area: (height, width, y, x) in latents; None: all.
        control, uuid, hooks: its own. patches: of boxes; None.
    """

    input_x: Tensor
    mult: Tensor
    conditioning: dict[str, Any]
    area: tuple[int, ...] | None
    control: Any
    patches: Any
    uuid: Any
    hooks: Any


def get_area_and_mult(conds: Mapping[str, Any], x_in: Tensor, timestep_in: Tensor) -> Piece | None:
    """A condition that `process_conds` made ready, on latents; None at a sigma at which it does not count.

    Raises:
        NotOffered: it has boxes (GLIGEN), which Weft tells the network in a way of its own.
    """
    cond, latents, sigma = conds, x_in, float(timestep_in.flatten()[0])
    start, end = cond.get("timestep_start"), cond.get("timestep_end")
    if (start is not None and sigma > float(start)) or (end is not None and sigma < float(end)):
        return None
    if cond.get("gligen") is not None:
        refuse("comfy.samplers.get_area_and_mult of a condition with boxes (GLIGEN)")
    height, width = latents.shape[-2:]
    ours = bounded(taken([cond])[0], height, width)
    place = rectangle(ours.area, height, width)
    inside = place.cut(latents)
    area = None
    if ours.area is not None:
        area = (place.bottom - place.top, place.right - place.left, place.top, place.left)
    told = {
        name: each.process_cond(batch_size=len(latents), area=area)
        for name, each in cond.get("model_conds", {}).items()
    }
    counts = weight(ours, latents).expand_as(inside).clone()
    return Piece(inside, counts, told, area, cond.get("control"), None, cond.get("uuid"), cond.get("hooks"))


def can_concat_cond(c1: Any, c2: Any) -> bool:
    """Whether one call can answer both pieces."""
    if c1.input_x.shape != c2.input_x.shape:
        return False
    if c1.control is not c2.control or c1.patches is not c2.patches:
        return False
    ours, theirs = c1.conditioning, c2.conditioning
    return ours.keys() == theirs.keys() and all(ours[name].can_concat(theirs[name]) for name in ours)


def cond_cat(c_list: Sequence[Mapping[str, Any]], device: torch.device | None = None) -> dict[str, Any]:
    """What the network reads of several pieces at once, by name."""
    first, *others = c_list
    made: dict[str, Any] = {}
    for name, each in first.items():
        value: Any = each.concat([other[name] for other in others])
        made[name] = value.to(device) if device is not None and isinstance(value, Tensor) else value
    return made
