"""Controls of packs' own making at work in our engine, and what ours give packs that ask them (`get_control`)."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.compat.standing import refuse
from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, LatentFormat, NetworkInputs
from nodes.diffusion.models.changing import changed
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.residuals import Inside, Residuals, Row
from nodes.diffusion.values import CheckpointRef, ControlUse
from nodes.diffusion.values import ControlNet as Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Now:
    """The call under way, as our engine makes it."""

    network: LoadedNetwork
    latents: Tensor
    timestep: Tensor
    context: Tensor
    inputs: NetworkInputs


NOW: ContextVar[Now | None] = ContextVar("now", default=None)


@contextmanager
def _now(call: Now) -> Generator[None]:
    token = NOW.set(call)
    try:
        yield
    finally:
        NOW.reset(token)


@dataclass(frozen=True, slots=True)
class PackControl(Recipe):
    """A control of a pack's own making, as a recipe of ours; a chain that has one is one control.

    Attributes:
        control: an object with `get_control` and its like.
    """

    control: Any = None

    @classmethod
    def of(cls, control: Any) -> "PackControl":
        """The recipe of a control; it has no file."""
        return cls(CheckpointRef(Path("a control of a pack"), f"pack{id(control)}"), control=control)

    def beside(self, network: LoadedNetwork, use: ControlUse) -> "PackControlNetwork":
        """As `OwnControl`: it at work beside a network; a run begins for it."""
        control = self.control
        if control.cond_hint_original is None:  # put to work by a node of ours
            control = control.copy()
            ends = use.start_percent, use.end_percent
            control.set_cond_hint(use.hint.movedim(-1, 1), use.strength, ends, use.vae)
        return PackControlNetwork(control, network)


class PackControlNetwork:
    """A control of a pack at work, as `StrongControl`: it knows its picture, its strength and its share of the run."""

    def __init__(self, control: Any, network: LoadedNetwork) -> None:
        self.control, self.network = control, network
        patcher = import_module("nodes.compat.surgery.patcher").ModelPatcher(None)
        self.base = patcher.model
        self.base.bind(network)
        control.cleanup()
        control.pre_run(self.base, self.base.model_sampling.percent_to_sigma)

    def hint(self, use: ControlUse, height: int, width: int, form: LatentFormat) -> Tensor:
        """As `ControlNetwork`: the control has its own."""
        del height, width, form
        return use.hint[:1].movedim(-1, 1)

    def at_strength(self, strength: float) -> "PackControlNetwork":
        """As `StrongControl`: it has its own."""
        del strength
        return self

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        hint: Tensor,
        inputs: NetworkInputs = NO_INPUTS,
    ) -> Residuals:
        """What it adds; `latents` are scaled for the network, packs get them noisy as samplers have them."""
        del hint
        sampling, sides = self.base.model_sampling, inputs.sides or (0,)
        sigmas = sampling.sigma(timestep).to(latents.device, torch.float32).reshape(-1).expand(len(latents))
        share = sampling.calculate_input(sigmas, torch.ones_like(latents, dtype=torch.float32))
        noisy = latents.float() / share
        cond = {"c_crossattn": context} | ({} if inputs.pooled is None else {"y": inputs.pooled})
        options = {"cond_or_uncond": list(sides), "sigmas": sigmas[: len(latents) // len(sides)]}
        with _now(Now(self.network, latents, timestep, context, inputs)):
            made = self.control.get_control(noisy, sigmas, cond, len(sides), options)
        return residuals(made, self.network, len(latents))


@dataclass(frozen=True, slots=True, eq=False)
class InputParts:
    """What is added to each input block of a U-Net, from the last of a list on, as `Inside`."""

    parts: Sequence[Any]

    def scaled(self, strength: float) -> Inside:
        """As `Inside`."""
        return self._each(lambda part: part * strength)

    def of_rows(self, rows: Tensor) -> Inside:
        """As `Inside`."""
        return self._each(lambda part: part[rows])

    def put_on(self, module: nn.Module) -> AbstractContextManager[None]:
        """As `Inside`."""
        count = len(self.parts)

        def add(number: int, hidden: Tensor) -> Tensor:
            part = self.parts[count - 1 - number] if number < count else None
            return hidden if part is None else hidden + part.to(hidden)

        return changed(module, NetworkChanges(before_skip=(add,)), (0, 0))

    def _each(self, change: Callable[[Any], Any]) -> Inside:
        return InputParts([None if part is None else change(part) for part in self.parts])


def residuals(made: Any, network: LoadedNetwork, count: int) -> Residuals:
    """What a pack's `get_control` gave, for so many items: {"input", "middle", "output": [tensor or None]}, or None."""
    lists = {name: list((made or {}).get(name) or ()) for name in ("input", "middle", "output")}
    if not any(part is not None for parts in lists.values() for part in parts):
        return Residuals()
    doubles, singles = network.blocks
    if doubles or singles:
        rows = (_row(lists["input"], doubles), _row(lists["output"], singles))
        return Residuals(double=rows[0], single=rows[1])
    nothing = torch.zeros(count, 1, 1, 1, device=network.device)
    middle = next((part for part in reversed(lists["middle"]) if part is not None), None)
    down: list[Tensor] = []
    if middle is not None or any(part is not None for part in lists["output"]):
        total = _input_count(cast("Any", network.module))
        padded = [None] * (total - len(lists["output"])) + lists["output"]
        down = [nothing if part is None else part for part in padded]
        middle = nothing if middle is None else middle
    inside = (InputParts(lists["input"]),) if any(part is not None for part in lists["input"]) else ()
    return Residuals(down, middle, inside=inside)


def _row(parts: Sequence[Any], count: int) -> tuple[Row, ...]:
    some = next((part for part in parts if part is not None), None)
    if some is None or not count:
        return ()
    filled = [torch.zeros_like(some) if part is None else part for part in parts[:count]]
    return (Row([*filled, *[torch.zeros_like(some)] * (count - len(filled))]),)


def _input_count(module: Any) -> int:
    return 1 + sum(len(block.resnets) + len(block.downsamplers or ()) for block in module.down_blocks)


def asked(control: Any, use: ControlUse, given: tuple[Any, ...], load: Callable[..., Any]) -> Any:
    """What one of our control networks gives a pack that asks for it, merged with what comes before it in its chain.

    Args:
        control: it, as packs hold it. given: what `get_control` was called with.
        load: the loaded network of a use beside another.
    """
    noisy, sigmas, cond, sides, *more = given
    previous = control.previous_controlnet
    before = None if previous is None else previous.get_control(noisy, sigmas, cond, sides, *more)
    reach = control.timestep_range
    if reach is not None and not reach[1] <= float(sigmas.flatten()[0]) <= reach[0]:
        return before
    call = NOW.get()
    if call is None:
        refuse(f"comfy.controlnet.{type(control).__name__}.get_control outside of a run")
    assert call is not None
    network: Any = load(use, call.network)
    hint = network.hint(use, *noisy.shape[-2:], call.network.latent_format)
    hint = hint[torch.arange(len(noisy)) % len(hint)]
    alike = call.latents.shape == noisy.shape
    inputs = call.inputs if alike else replace(NO_INPUTS, pooled=cond.get("y"))
    told = cond.get("c_crossattn", call.context)
    latents = call.latents if alike else noisy
    made: Residuals = network(latents, call.timestep[: len(latents)], told, hint.to(latents), inputs)
    return control.control_merge(_lists(made, call.network), before, noisy.dtype)


def _lists(made: Residuals, network: LoadedNetwork) -> dict[str, list[Any]]:
    if made.levels or made.inside:
        refuse("what such a control network adds, asked by a pack")
    if made.of_unet or made.down:
        return {
            "input": [],
            "middle": [] if made.middle is None else [made.middle],
            "output": list(made.down),
        }
    doubles, singles = network.blocks
    return {"input": made.for_double(doubles) or [], "middle": [], "output": made.for_single(singles) or []}
