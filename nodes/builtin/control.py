"""ControlNets: a picture that steers where things go."""

from dataclasses import replace
from typing import Annotated

from nodes.builtin.kinds import (
    AnyVae,
    ConditioningIn,
    ConditioningOut,
    ControlIn,
    ControlOut,
    ImageIn,
    MaskIn,
    ModelIn,
    NegativeOut,
    PositiveOut,
    Strength,
    VaeIn,
)
from nodes.builtin.loaders import content_of, control_net
from nodes.builtin.models import present
from nodes.diffusion.values import Cond, Conditioning, ControlUse
from nodes.spec import Combo, Context, Float, Socket, node

KINDS = (
    "openpose",
    "depth",
    "hed/pidi/scribble/ted",
    "canny/lineart/anime_lineart/mlsd",
    "normal",
    "segment",
    "tile",
    "repaint",
)  # by their numbers in nets that were trained on several
FLUX_KINDS = ("canny", "tile", "depth", "blur", "pose", "gray", "low quality")  # of InstantX and Shakker
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
    vae: Annotated[AnyVae, Socket("VAE", optional=True)] = None,
) -> tuple[PositiveOut, NegativeOut]:
    """Let a picture steer both conditionings, from one share of the run to another."""
    use = ControlUse(control_net, image, strength, start_percent, end_percent, present(vae))
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
    use = ControlUse(control_net, image, strength, start_percent, end_percent, present(vae))
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


@node("SetUnionControlNetType", category="conditioning/controlnet")
def set_union_control_net_type(
    ctx: Context,
    control_net: ControlIn,
    type: Annotated[str, Combo(("auto", *KINDS), bare=False, extra={"multiselect": False})],
) -> ControlOut:
    """Which kind of hint a control network gets that was trained on several of them."""
    return replace(control_net, kind=None if type == "auto" else KINDS.index(type))


@node("WeftFluxUnionControlType", name="Set FLUX Union Control Type", category="conditioning/controlnet")
def flux_union_control_type(
    ctx: Context,
    control_net: ControlIn,
    type: Annotated[str, Combo(("auto", *FLUX_KINDS))],
) -> ControlOut:
    """Which kind of hint a union of FLUX.1 gets (InstantX, Shakker), by the numbers that its makers gave each kind.

    SetUnionControlNetType gives the number that a kind has in unions of Stable Diffusion XL.
    """
    return replace(control_net, kind=None if type == "auto" else FLUX_KINDS.index(type))


@node("ControlNetInpaintingAliMamaApply", category="conditioning/controlnet")
def controlnet_inpainting_alimama_apply(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    control_net: ControlIn,
    vae: VaeIn,
    image: ImageIn,
    mask: MaskIn,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
) -> tuple[PositiveOut, NegativeOut]:
    """Let a picture steer both conditionings; nets for inpainting read the mask of what is painted anew."""
    use = ControlUse(control_net, image, strength, start_percent, end_percent, present(vae), mask=mask)
    return _with(positive, use), _with(negative, use)


@node(
    "DiffControlNetLoader",
    name="Load ControlNet Model (diff)",
    category="loaders",
    change_token=content_of("controlnet", "control_net_name"),
)
def diff_controlnet_loader(
    ctx: Context, model: ModelIn, control_net_name: Annotated[str, Combo(folder="controlnet")]
) -> ControlOut:
    """A control network of a file that may say what it is beyond a model: then the model is added to it."""
    return replace(control_net(ctx, control_net_name), base=model)


def _with(conditioning: Conditioning, use: ControlUse) -> Conditioning:
    if use.strength == 0.0:
        return conditioning
    return tuple(_steered(cond, use) for cond in conditioning)


def _steered(cond: Cond, use: ControlUse) -> Cond:
    return replace(cond, controls=(*cond.controls, use))


NODES = (
    controlnet_apply_advanced,
    controlnet_apply_sd3,
    controlnet_apply,
    set_union_control_net_type,
    flux_union_control_type,
    controlnet_inpainting_alimama_apply,
    diff_controlnet_loader,
)
