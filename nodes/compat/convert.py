"""Values at the border: inside they are `nodes.diffusion` values, packs see `{"samples": ...}` and `[[tensor, {...}]]`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from torch import Tensor

from nodes.compat.faces import KINDS, Face
from nodes.diffusion.joined_latents import NoLatents
from nodes.diffusion.media import Audio, Tracks, Video, VideoFile
from nodes.diffusion.values import Area, Cond, ControlUse, HookGroup, Latent, Span
from nodes.spec import ANY, Blocker

PERCENTAGE = "percentage"


@dataclass(frozen=True, slots=True)
class ControlNet:
    """What packs find under `control` in a conditioning: the nets at work there, carried through as they are."""

    uses: tuple[ControlUse, ...]


class BlockerFace:
    """A `Blocker` as packs make it: `ExecutionBlocker(message)`."""

    def __init__(self, message: str | None) -> None:
        self.message = message


def outward(value: object) -> object:
    """The value as a pack expects it."""
    if isinstance(value, Latent):
        return _latent_dict(value)
    if type(value) in KINDS:
        return KINDS[type(value)](value)
    if isinstance(value, tuple) and value and all(isinstance(entry, Cond) for entry in value):
        return [_cond_pair(entry) for entry in cast("tuple[Cond, ...]", value)]
    if isinstance(value, Audio):
        return {"waveform": value.waveform, "sample_rate": value.sample_rate}
    if isinstance(value, Video | VideoFile):
        return films().outside(value)
    if isinstance(value, NoLatents):
        return {}
    if isinstance(value, Tracks):
        return {"track_path": value.path, "track_visibility": value.visibility}
    if isinstance(value, Span):
        return (value.start, value.end)
    if isinstance(value, Blocker):
        return BlockerFace(value.message)
    return value


def inward(value: object, kind: str) -> object:
    """A pack's value as the rest of Weft expects it.

    Args:
        kind: socket type of the output; where it says nothing ("*"), the value's own shape decides.
    """
    if isinstance(value, BlockerFace):
        return Blocker(value.message)
    if isinstance(value, Face):
        return value.recipe
    if kind in ("LATENT", ANY) and _is_latent(value):
        return _latent(cast("Mapping[str, Any]", value))
    if kind == "TRACKS" and isinstance(value, Mapping):
        told = cast("Mapping[str, Any]", value)
        return Tracks(told["track_path"], told["track_visibility"])
    if kind in ("AUDIO", ANY) and _is_audio(value):
        sound = cast("Mapping[str, Any]", value)
        return Audio(sound["waveform"], int(sound["sample_rate"]))
    if kind in ("VIDEO", ANY) and hasattr(value, "get_components"):
        return films().inside(value)
    if kind == "CONDITIONING" or (kind == ANY and _is_conditioning(value)):
        return _conditioning(value)
    if kind == "TIMESTEPS_RANGE" and isinstance(value, list | tuple):
        return Span(*(float(end) for end in cast("Sequence[float]", value)))
    return value


def films() -> Any:
    """What packs call films; read when one crosses, since it brings the built-in nodes along."""
    return import_module("nodes.compat.names.comfy_api.latest.values")


def _is_audio(value: object) -> bool:
    """A waveform and its rate, and nothing that would be lost."""
    return (
        isinstance(value, Mapping)
        and cast("Mapping[str, object]", value).keys() == {"waveform", "sample_rate"}
        and isinstance(cast("Mapping[str, object]", value)["waveform"], Tensor)
    )


def _is_latent(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(
        cast("Mapping[str, object]", value).get("samples"), Tensor
    )


def _is_conditioning(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(_is_pair(entry) for entry in cast("list[object]", value))


def _is_pair(entry: object) -> bool:
    if not isinstance(entry, list | tuple):
        return False
    parts = cast("Sequence[object]", entry)
    return len(parts) == 2 and isinstance(parts[0], Tensor | None) and isinstance(parts[1], dict)


# --- latents --------------------------------------------------------------------------------------------------------


def _latent_dict(latent: Latent) -> dict[str, object]:
    made: dict[str, object] = {**latent.extra, "samples": latent.samples}
    if latent.noise_mask is not None:
        made["noise_mask"] = latent.noise_mask
    if latent.batch_index is not None:
        made["batch_index"] = list(latent.batch_index)
    return made


def _latent(value: Mapping[str, Any]) -> Latent:
    mask: Any = value.get("noise_mask")
    if isinstance(mask, Tensor) and mask.ndim < 4:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    index = value.get("batch_index")
    return Latent(
        value["samples"],
        mask,
        None if index is None else tuple(int(entry) for entry in index),
        {
            name: entry
            for name, entry in value.items()
            if name not in ("samples", "noise_mask", "batch_index")
        },
    )


# --- conditioning ---------------------------------------------------------------------------------------------------


def _cond_pair(cond: Cond) -> list[object]:
    options: dict[str, object] = dict(cond.extra)
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
        options["hooks"] = cond.hooks
    if cond.controls:
        options["control"] = ControlNet(cond.controls)
        options["control_apply_to_uncond"] = any(control.also_negative for control in cond.controls)
    return [cond.context, options]


def _conditioning(value: object) -> object:
    if not isinstance(value, list | tuple) or not all(
        _is_pair(entry) for entry in cast("list[object]", value)
    ):
        return value
    return tuple(_cond(entry[0], entry[1]) for entry in cast("list[Any]", value))


def _cond(context: Tensor, options: Mapping[str, Any]) -> Cond:
    rest = dict(options)
    area, strength = rest.pop("area", None), rest.pop("strength", None)
    controls, hooks = rest.get("control"), rest.get("hooks")
    if isinstance(controls, ControlNet):  # our own, carried through the pack
        del rest["control"]
        rest.pop("control_apply_to_uncond", None)
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
        controls=controls.uses if isinstance(controls, ControlNet) else (),
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
