"""Conditioning at the border: inside `Cond` values, `[[tensor, {...}]]` for packs."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from nodes.compat import hooks as hooking
from nodes.compat import vision_face
from nodes.compat.controls import chain, uses_of
from nodes.diffusion.values import Area, Cond, HookGroup, Span

PERCENTAGE = "percentage"


def is_conditioning(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(_is_pair(entry) for entry in cast("list[object]", value))


def _is_pair(entry: object) -> bool:
    if not isinstance(entry, list | tuple):
        return False
    parts = cast("Sequence[object]", entry)
    return len(parts) == 2 and isinstance(parts[0], Tensor | None) and isinstance(parts[1], dict)


def cond_pair(cond: Cond) -> list[object]:
    options: dict[str, object] = vision_face.outward_beside(dict(cond.extra))
    if cond.pooled is not None:
        options["pooled_output"] = cond.pooled
    if cond.area is not None:
        options["area"] = _area_tuple(cond.area)
    if cond.strength is not None:
        options["strength"] = cond.strength
    if cond.mask is not None:
        options |= {"mask": cond.mask, "mask_strength": cond.mask_strength}
    if cond.mask is not None or cond.area is not None:
        options["set_area_to_bounds"] = cond.to_bounds
    if cond.span is not None:
        options |= {"start_percent": cond.span.start, "end_percent": cond.span.end}
    if cond.read_for is not None:
        options |= {"clip_start_percent": cond.read_for.start, "clip_end_percent": cond.read_for.end}
    if cond.fills:
        options["default"] = True
    if cond.hooks is not None:
        options["hooks"] = hooking.outward(cond.hooks)
    if cond.controls:
        options["control"] = chain(cond.controls)
        options["control_apply_to_uncond"] = any(control.also_negative for control in cond.controls)
    return [cond.context, options]


def conditioning(value: object) -> object:
    if not isinstance(value, list | tuple) or not all(
        _is_pair(entry) for entry in cast("list[object]", value)
    ):
        return value
    return tuple(_cond(entry[0], entry[1]) for entry in cast("list[Any]", value))


def _cond(context: Tensor, options: Mapping[str, Any]) -> Cond:
    rest = vision_face.inward_beside(dict(options))
    area, strength = rest.pop("area", None), rest.pop("strength", None)
    controls, hooks = rest.get("control"), hooking.inward(rest.get("hooks"))
    lent = False
    if hasattr(controls, "get_control"):
        del rest["control"]
        lent = bool(rest.pop("control_apply_to_uncond", False))
    if isinstance(hooks, HookGroup):
        del rest["hooks"]
    return Cond(
        context,
        pooled=rest.pop("pooled_output", None),
        area=_area(area) if area is not None else None,
        strength=None if strength is None else float(strength),
        mask=rest.pop("mask", None),
        mask_strength=float(rest.pop("mask_strength", 1.0)),
        to_bounds=bool(rest.pop("set_area_to_bounds", False)),
        span=_span(rest.pop("start_percent", None), rest.pop("end_percent", None)),
        read_for=_span(rest.pop("clip_start_percent", None), rest.pop("clip_end_percent", None)),
        fills=bool(rest.pop("default", False)),
        controls=uses_of(controls, lent) if hasattr(controls, "get_control") else (),
        hooks=hooks if isinstance(hooks, HookGroup) else None,
        extra=rest,
    )


def _span(start: float | None, end: float | None) -> Span | None:
    if start is None and end is None:
        return None
    return Span(0.0 if start is None else float(start), 1.0 if end is None else float(end))


def _area_tuple(area: Area) -> tuple[object, ...]:
    sizes, places = (area.height, area.width), (area.y, area.x)
    if area.frames is not None:
        sizes, places = (area.frames, *sizes), (area.first, *places)
    if area.relative:
        return (PERCENTAGE, *(float(side) for side in (*sizes, *places)))
    return tuple(int(side) for side in (*sizes, *places))


def _area(area: Sequence[Any]) -> Area:
    relative = area[0] == PERCENTAGE
    sides = tuple(area[1:] if relative else area)
    if len(sides) == 6:
        frames, height, width, first, y, x = sides
        return Area(height, width, y, x, relative, frames, first)
    return Area(*sides, relative=relative)
