"""ControlNets: a picture that steers where things go."""

from dataclasses import replace
from typing import Annotated

from nodes.builtin.kinds import (
    ConditioningIn,
    ConditioningOut,
    ControlIn,
    ImageIn,
    NegativeOut,
    PositiveOut,
    Strength,
    VaeIn,
)
from nodes.diffusion.values import Cond, Conditioning, ControlUse, Vae
from nodes.spec import Context, Float, Socket, node

Percent = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)]


@node("ControlNetApplyAdvanced", name="Apply ControlNet", category="conditioning/controlnet")
def controlnet_apply_advanced(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    control_net: ControlIn,
    image: ImageIn,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
    vae: Annotated[Vae | None, Socket("VAE", optional=True)] = None,
) -> tuple[PositiveOut, NegativeOut]:
    """Let a picture steer both conditionings, from one share of the run to another."""
    use = ControlUse(control_net, image, strength, start_percent, end_percent, vae)
    return _with(positive, use), _with(negative, use)


@node(
    "ControlNetApplySD3",
    name="Apply Controlnet with VAE",
    category="conditioning/controlnet",
    deprecated=True,
)
def controlnet_apply_sd3(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    control_net: ControlIn,
    vae: VaeIn,
    image: ImageIn,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
) -> tuple[PositiveOut, NegativeOut]:
    """Let a picture steer both conditionings; nets that work on latents read it through the VAE."""
    use = ControlUse(control_net, image, strength, start_percent, end_percent, vae)
    return _with(positive, use), _with(negative, use)


@node("ControlNetApply", name="Apply ControlNet (OLD)", category="conditioning/controlnet", deprecated=True)
def controlnet_apply(
    ctx: Context,
    conditioning: ConditioningIn,
    control_net: ControlIn,
    image: ImageIn,
    strength: Strength = 1.0,
) -> ConditioningOut:
    """Let a picture steer one conditioning for the whole run; the other side follows it."""
    return _with(conditioning, ControlUse(control_net, image, strength, also_negative=True))


def _with(conditioning: Conditioning, use: ControlUse) -> Conditioning:
    if use.strength == 0.0:
        return conditioning
    return tuple(_steered(cond, use) for cond in conditioning)


def _steered(cond: Cond, use: ControlUse) -> Cond:
    return replace(cond, controls=(*cond.controls, use))


NODES = (controlnet_apply_advanced, controlnet_apply_sd3, controlnet_apply)
