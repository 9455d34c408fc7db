"""Control networks as packs hold them: objects with a hint and a strength, chained; at the border they are uses of ours."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from nodes.compat.faced import session
from nodes.compat.own_controls import PackControl, asked
from nodes.compat.standing import refuse
from nodes.diffusion.values import ControlNet as Recipe
from nodes.diffusion.values import ControlUse


class StrengthType(Enum):
    """How strong a control network is from block to block."""

    CONSTANT = 1
    LINEAR_UP = 2


class ControlBase:
    """One control at work. Packs change it on a copy and put that into a condition."""

    def __init__(self, *_more: object, **_named: object) -> None:
        self.cond_hint_original: Tensor | None = None
        self.cond_hint: Tensor | None = None
        self.strength = 1.0
        self.timestep_percent_range = (0.0, 1.0)
        self.timestep_range: tuple[float, float] | None = None
        self.latent_format: Any = None
        self.vae: Any = None
        self.global_average_pooling = False
        self.compression_ratio = 8
        self.upscale_algorithm = "nearest-exact"
        self.extra_args: dict[str, Any] = {}
        self.previous_controlnet: Any = None
        self.extra_conds: list[str] = []
        self.strength_type = StrengthType.CONSTANT
        self.concat_mask = False
        self.extra_concat_orig: list[Any] = []
        self.extra_concat: Any = None
        self.extra_hooks: Any = None
        self.multigpu_clones: dict[Any, Any] = {}

    def preprocess_image(self, picture: Tensor) -> Tensor:
        """The picture as the network reads it: as it is."""
        return picture

    def set_cond_hint(
        self,
        cond_hint: Tensor,
        strength: float = 1.0,
        timestep_percent_range: tuple[float, float] = (0.0, 1.0),
        vae: Any = None,
        extra_concat: Any = (),
    ) -> Any:
        """Steer by a picture [batch channel height width]."""
        self.cond_hint_original, self.strength, self.vae = cond_hint, strength, vae
        self.timestep_percent_range = (float(timestep_percent_range[0]), float(timestep_percent_range[1]))
        self.extra_concat_orig = list(extra_concat)
        return self

    def pre_run(self, model: Any, percent_to_timestep_function: Any) -> None:
        """A run begins: shares of it become sigmas."""
        start, end = self.timestep_percent_range
        self.timestep_range = percent_to_timestep_function(start), percent_to_timestep_function(end)
        if self.previous_controlnet is not None:
            self.previous_controlnet.pre_run(model, percent_to_timestep_function)

    def set_previous_controlnet(self, controlnet: Any) -> Any:
        """Work together with another."""
        self.previous_controlnet = controlnet
        return self

    def cleanup(self) -> None:
        """A run has ended."""
        if self.previous_controlnet is not None:
            self.previous_controlnet.cleanup()
        self.cond_hint, self.extra_concat, self.timestep_range = None, None, None

    def get_models(self) -> list[Any]:
        """Patchers that are loaded with it: Weft's pool loads its own."""
        return [] if self.previous_controlnet is None else self.previous_controlnet.get_models()

    def get_extra_hooks(self) -> list[Any]:
        """Hooks that it brings along."""
        own = [] if self.extra_hooks is None else [self.extra_hooks]
        return own if self.previous_controlnet is None else own + self.previous_controlnet.get_extra_hooks()

    def copy_to(self, c: Any) -> None:
        """Give another one what was set here."""
        for name, value in vars(self).items():
            if name not in ("cond_hint", "timestep_range", "previous_controlnet"):
                setattr(c, name, copy(value) if isinstance(value, dict | list) else value)

    def copy(self) -> Any:
        """Another one like it, with nothing before it."""
        made = object.__new__(type(self))
        ControlBase.__init__(made)
        self.copy_to(made)
        return made

    def inference_memory_requirements(self, dtype: torch.dtype) -> int:
        """Bytes beside weights: the pool's budget has room for its own."""
        before = self.previous_controlnet
        return 0 if before is None else before.inference_memory_requirements(dtype)

    def set_extra_arg(self, argument: str, value: Any = None) -> None:
        """Tell the network something more."""
        self.extra_args[argument] = value

    def control_merge(
        self, control: dict[str, list[Any]], control_prev: dict[str, list[Any]] | None, output_dtype: Any
    ) -> dict[str, list[Any]]:
        """What it gives, as strong as it is, and what the one before it gave."""
        made: dict[str, list[Any]] = {"input": [], "middle": [], "output": []}
        for name, parts in control.items():
            for part in parts:
                if part is not None:
                    if self.global_average_pooling:
                        part = part.mean(dim=(2, 3), keepdim=True).expand_as(part).clone()
                    part *= self.strength
                    part = part.to(output_dtype) if output_dtype is not None else part
                made[name].append(part)
        for name, parts in (control_prev or {}).items():
            for place, before in enumerate(parts):
                if place >= len(made[name]):
                    made[name].append(before)
                elif made[name][place] is None:
                    made[name][place] = before
                elif before is not None:
                    made[name][place] = made[name][place] + before
        return made

    def get_control(
        self,
        x_noisy: Tensor,
        t: Tensor,
        cond: Any,
        batched_number: int,
        transformer_options: Any = None,
    ) -> Any:
        """What it adds at this step: {"input", "middle", "output": [tensor or None]} or None. Controls of packs say how."""
        before = self.previous_controlnet
        if type(self).get_control is ControlBase.get_control and before is None:
            refuse(f"comfy.controlnet.{type(self).__name__}.get_control")
        return (
            None
            if before is None
            else before.get_control(x_noisy, t, cond, batched_number, transformer_options)
        )


class ControlNet(ControlBase):
    """A control network of ours."""

    def __init__(self, control_model: Any = None, *more: object, **named: object) -> None:
        if not isinstance(control_model, Recipe):
            refuse("comfy.controlnet.ControlNet of a module")
        super().__init__(*more, **named)
        self.recipe: Recipe = control_model
        self.also_negative: bool | None = None
        self.use: ControlUse | None = None  # that it came from
        self.global_average_pooling = self.recipe.pools_residuals

    @property
    def control_model(self) -> Any:
        """The network itself."""
        raise AttributeError("Weft does not hand out the network inside a control.")

    def get_control(
        self,
        x_noisy: Tensor,
        t: Tensor,
        cond: Any,
        batched_number: int,
        transformer_options: Any = None,
    ) -> Any:
        """What it adds, and those before it, for a control of a pack that stands after it."""
        given = (x_noisy, t, cond, batched_number, transformer_options)

        def load(use: ControlUse, network: Any) -> Any:
            with session() as loaded:
                return loaded.control(use, network)

        return asked(self, _use(self, also_negative=True), given, load)

    def set_extra_arg(self, argument: str, value: Any = None) -> None:
        """A union of networks is told which kind of hint it gets."""
        super().set_extra_arg(argument, value)
        if argument == "control_type":
            kinds = value if isinstance(value, list | tuple) else [value]
            self.recipe = replace(self.recipe, kind=int(kinds[0]) if kinds else None)


def outward(value: object) -> object:
    """A control network of ours as packs hold it, or one of a pack again; None: it is neither."""
    if isinstance(value, PackControl):
        return value.control
    return ControlNet(value) if isinstance(value, Recipe) else None


def inward(value: object) -> object:
    """A control as the rest of Weft holds it; None: it is none."""
    if not isinstance(value, ControlBase):
        return None
    return (
        value.recipe if isinstance(value, ControlNet) and not made_by_pack(value) else PackControl.of(value)
    )


def chain(uses: tuple[ControlUse, ...]) -> ControlBase:
    """Uses as objects, the last one foremost."""
    before: Any = None
    for use in uses:
        if isinstance(use.net, PackControl):
            before = use.net.control if before is None else use.net.control.set_previous_controlnet(before)
            continue
        made = ControlNet(use.net)
        vae = use.vae
        ends = use.start_percent, use.end_percent
        made.set_cond_hint(use.hint.movedim(-1, 1), use.strength, ends, vae)
        made.also_negative, made.use = use.also_negative, use
        before = made.set_previous_controlnet(before)
    return before


def uses_of(control: Any, also_negative: bool) -> tuple[ControlUse, ...]:
    """The uses that a chain comes to, the first one first.

    Args:
        also_negative: what the condition says of those that a pack has made.
    """
    found: list[ControlUse] = []
    if any(made_by_pack(each) for each in _chain_of(control)):  # a chain asks those before it itself
        made = PackControl.of(control)
        return (ControlUse(made, torch.zeros(1, 8, 8, 3), also_negative=also_negative),)
    while control is not None:
        found.insert(0, _use(control, also_negative))
        control = control.previous_controlnet
    return tuple(found)


def made_by_pack(control: object) -> bool:
    """Whether a control does its work itself: it is none of ours, or a pack has put its own way of asking into one."""
    ours = isinstance(control, ControlNet) and type(control).get_control is ControlNet.get_control
    return not ours


def _chain_of(control: Any) -> Iterator[Any]:
    while control is not None:
        yield control
        control = control.previous_controlnet


def _use(control: ControlNet, also_negative: bool) -> ControlUse:
    if control.cond_hint_original is None:
        refuse("a control without a picture")
    assert control.cond_hint_original is not None
    hint = control.cond_hint_original.movedim(1, -1)
    start, end = control.timestep_percent_range
    lent = also_negative if control.also_negative is None else control.also_negative
    recipe = getattr(control.vae, "recipe", control.vae)
    before = control.use
    made = ControlUse(control.recipe, hint, control.strength, start, end, recipe, lent)
    if before is None:
        return made
    same = before.hint.data_ptr() == hint.data_ptr() and before.hint.shape == hint.shape
    kept = before.hint if same else hint
    if same and _said(made) == _said(before):
        return before
    return replace(made, hint=kept, mask=before.mask, inpainted=before.inpainted)


def _said(use: ControlUse) -> tuple[object, ...]:
    """What packs can change of a use, but for its picture."""
    return (use.net, use.strength, use.start_percent, use.end_percent, use.vae, use.also_negative)
