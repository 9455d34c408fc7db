"""Estimates for packs that run their own loops: our steering under conditions and options in the field's form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nodes.compat.surgery.changed import Changed
from nodes.compat.surgery.rules import rules_of, taken
from nodes.diffusion.guidance import Guided
from nodes.diffusion.guidance.steering import Steering

MOST = 8  # estimates that are kept for the next evaluation of a run


@dataclass(slots=True, eq=False)
class Given:
    """What a run says to all its evaluations."""

    seed: int = 0
    shape: Sequence[int] = ()
    latents: Tensor | None = None
    mask: Tensor | None = None


@dataclass(slots=True, eq=False)
class Kept:
    """Estimates of one model by what they are of, and what keeps the names of that their own."""

    given: Given
    made: dict[Any, tuple[Any, Any]]


def guided_for(model: Any, cond: Any, uncond: Any, scale: float, options: Mapping[str, Any]) -> Guided:
    """A guider of ours for conditions of the field's samplers; the same one as long as they are the same.

    Args:
        model: `BaseModel`. cond, uncond: lists of dicts, or None. options: `model_options`.
    """

    def make() -> Guided:
        network, rules, controls = _parts(model, options)
        return Guided(network, taken(cond), taken(uncond), float(scale), controls, rules)

    found: Guided = _kept(
        model, ("guided", marks(cond), marks(uncond), marks(options)), (cond, uncond, options), make
    )
    found.scale = float(scale)
    return found


def steering_for(model: Any, options: Mapping[str, Any]) -> Steering:
    """Our steering of a model under options, for who asks sides alone."""

    def make() -> Steering:
        network, rules, controls = _parts(model, options)
        return Steering(network, rules, controls)

    return _kept(model, ("steering", marks(options)), options, make)


def sides_for(model: Any, side: Any) -> Any:
    """Conditions as ours; the same as long as they are the same, so that nothing is planned anew at each step."""
    return _kept(model, ("side", marks(side)), side, lambda: taken(side))


def _kept(model: Any, named: Any, alive: Any, make: Any) -> Any:
    kept = model.__dict__.setdefault("_weft_kept", Kept(Given(), {}))
    if named not in kept.made:
        if len(kept.made) >= 4 * MOST:
            kept.made.clear()
        value = make()
        if hasattr(value, "start"):
            given = kept.given
            value.start(given.seed, given.shape, given.latents, given.mask)
        kept.made[named] = value, alive
    return kept.made[named][0]


def begins(model: Any, given: Given) -> None:
    """A run of a model begins: nothing is kept from one before."""
    model.__dict__["_weft_kept"] = Kept(given, {})


def _parts(model: Any, options: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    patcher = model.current_patcher
    changed = Changed(
        options,
        patcher.object_patches,
        {},
        patcher.callbacks,
        {},
        {},
        {},
        type(patcher).__qualname__,
        origin=patcher,
    )
    network, controls = model.parts()
    own = () if patcher.recipe is None else patcher.recipe.rules
    return network, (*own, *rules_of(changed, lambda: patcher)), controls


def marks(value: Any) -> Any:
    """What tells a nest of dicts and lists from another: which objects it holds, and plain values by content."""
    if isinstance(value, Mapping):
        return tuple(
            (str(name), marks(entry))
            for name, entry in value.items()
            if name not in ("uuid", "sample_sigmas")
        )
    if isinstance(value, list | tuple):
        return tuple(marks(entry) for entry in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return id(value)


def lone(timestep: Tensor) -> Tensor:
    """The sigma of an evaluation, a lone number of the processor, from one for each item."""
    return timestep.detach().flatten()[0].cpu().float()


def plain_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Options that have at least those of the network."""
    return {"transformer_options": {}, **(options or {})}
