"""Values at the border: inside they are `nodes.diffusion` values, packs see `{"samples": ...}` and `[[tensor, {...}]]`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, cast

from torch import Tensor

from nodes.compat import controls, hooks, vision_face
from nodes.compat.conditioning import cond_pair, conditioning, is_conditioning
from nodes.compat.faced import Face
from nodes.compat.faces import KINDS
from nodes.compat.surgery import wires
from nodes.diffusion.absent import Absent
from nodes.diffusion.joined_latents import NoLatents
from nodes.diffusion.media import Audio, Tracks, Video, VideoFile
from nodes.diffusion.values import Cond, Latent, Span
from nodes.spec import ANY, Blocker


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
    wired = _first((controls.outward, wires.outward, hooks.outward, vision_face.outward), value)
    if wired is not None:
        return wired
    if isinstance(value, tuple) and value and all(isinstance(entry, Cond) for entry in value):
        return [cond_pair(entry) for entry in cast("tuple[Cond, ...]", value)]
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
    return None if isinstance(value, Absent) else value


def inward(value: object, kind: str) -> object:
    """A pack's value as the rest of Weft expects it.

    Args:
        kind: socket type of the output; where it says nothing ("*"), the value's own shape decides.
    """
    if isinstance(value, BlockerFace):
        return Blocker(value.message)
    if isinstance(value, Face):
        return value.inside()
    wired = _first((controls.inward, wires.inward, hooks.inward, vision_face.inward), value)
    if wired is not None:
        return wired
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
    if kind == "CONDITIONING" or (kind == ANY and is_conditioning(value)):
        return conditioning(value)
    if kind == "TIMESTEPS_RANGE" and isinstance(value, list | tuple):
        return Span(*(float(end) for end in cast("Sequence[float]", value)))
    return value


def _first(forms: Iterable[Callable[[Any], object]], value: object) -> object:
    """What the first form makes of a value that knows it; None: none does."""
    return next((made for form in forms if (made := form(value)) is not None), None)


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
