"""Pictures that steer by their content: vision models, style models, and checkpoints that read what they see."""

import math
from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.builtin.kinds import ClipOut, ConditioningIn, ConditioningOut, ImageIn, ModelOut, VaeOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, reference, told
from nodes.diffusion.models.detect import Part, contents
from nodes.diffusion.models.style import load_style
from nodes.diffusion.models.vision import load_vision
from nodes.diffusion.models.vision_files import find_vision
from nodes.diffusion.values import Clip, Cond, Model, Vae
from nodes.diffusion.vision_values import ClipVision, ClipVisionOutput, StyleModel, Tokens
from nodes.spec import Combo, Context, Float, NodeError, Out, Socket, node

VisionOut = Annotated[ClipVision, Out("CLIP_VISION")]
SeenIn = Annotated[ClipVisionOutput, Socket("CLIP_VISION_OUTPUT")]
MULTIPLY, BIAS = "multiply", "attn_bias"
MASK, MASK_SHAPE = "attention_mask", "attention_mask_img_shape"


@node(
    "CLIPVisionLoader",
    name="Load CLIP Vision",
    category="loaders",
    change_token=content_of("clip_vision", "clip_name"),
)
def clip_vision_loader(ctx: Context, clip_name: Annotated[str, Combo(folder="clip_vision")]) -> VisionOut:
    """A network that sees what is in a picture, for models that are steered by pictures."""
    file = reference(ctx, "clip_vision", clip_name)
    with told():
        find_vision(file.path)  # so that a file of another kind is named here, not at the first picture
    return ClipVision(file)


@node("CLIPVisionEncode", name="CLIP Vision Encode", category="conditioning")
def clip_vision_encode(
    ctx: Context,
    clip_vision: Annotated[ClipVision, Socket("CLIP_VISION")],
    image: ImageIn,
    crop: Annotated[str, Combo(("center", "none"))],
) -> Annotated[ClipVisionOutput, Out("CLIP_VISION_OUTPUT")]:
    """What a vision model sees in pictures: all of a square in the middle, or the whole picture stretched to one."""
    with models(ctx) as loaded:
        return loaded.beside(Part.VISION, clip_vision.checkpoint, load_vision).read(image, crop)


@node(
    "unCLIPCheckpointLoader",
    name="unCLIPCheckpointLoader",
    category="loaders",
    change_token=content_of("checkpoints", "ckpt_name"),
)
def unclip_checkpoint_loader(
    ctx: Context, ckpt_name: Annotated[str, Combo(folder="checkpoints")]
) -> tuple[ModelOut, ClipOut, VaeOut, VisionOut]:
    """A model that resembles pictures, with its text encoder, its VAE and the vision model that it was trained with."""
    file = reference(ctx, "checkpoints", ckpt_name)
    with told():
        parts = contents(file.path)
        find_vision(file.path)
    if Part.NETWORK not in parts:
        raise NodeError(
            f"{ckpt_name} is no checkpoint with a diffusion model.",
            "Choose another file, or load this one with Load CLIP Vision.",
        )
    clip = Clip(file) if Part.TEXT in parts else None
    return Model(file), clip, Vae(file) if Part.VAE in parts else None, ClipVision(file)


@node(
    "StyleModelLoader",
    name="Load Style Model",
    category="loaders",
    change_token=content_of("style_models", "style_model_name"),
)
def style_model_loader(
    ctx: Context, style_model_name: Annotated[str, Combo(folder="style_models")]
) -> Annotated[StyleModel, Out("STYLE_MODEL")]:
    """A network that says a picture's content in tokens of a prompt."""
    return StyleModel(reference(ctx, "style_models", style_model_name))


@node("StyleModelApply", name="Apply Style Model", category="conditioning/style_model")
def style_model_apply(
    ctx: Context,
    conditioning: ConditioningIn,
    style_model: Annotated[StyleModel, Socket("STYLE_MODEL")],
    clip_vision_output: SeenIn,
    strength: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.001)] = 1.0,
    *,
    strength_type: Annotated[str, Combo((MULTIPLY, BIAS))],
) -> ConditioningOut:
    """Say a picture's content behind the prompt.

    "multiply" makes its tokens longer or shorter, "attn_bias" lets the others attend to them more or less.
    """
    with models(ctx) as loaded:
        style = loaded.beside(Part.STYLE, style_model.checkpoint, load_style)
        try:
            tokens = style.tokens(clip_vision_output).flatten(0, 1)[None]
        except ValueError as error:
            raise NodeError(
                f"The style model does not fit what the vision model saw ({error}).",
                "Encode the picture with the vision model that the style model was trained with.",
            ) from error
    if strength_type == MULTIPLY:
        tokens = tokens * strength
    return tuple(_styled(cond, tokens, strength, strength_type) for cond in conditioning)


def _styled(cond: Cond, tokens: Tokens, strength: float, kind: str) -> Cond:
    """The condition with tokens behind its text; masked only where something is masked already, or attention is biased."""
    if tokens.shape[-1] != cond.context.shape[-1]:
        raise NodeError(
            f"The style model makes tokens of {tokens.shape[-1]} features; the prompt has {cond.context.shape[-1]}.",
            "Use the style model of the model's family.",
        )
    batch = len(cond.context)
    longer = replace(cond, context=torch.cat((cond.context, tokens.expand(batch, -1, -1)), 1))
    before = cond.extra.get(MASK)
    bias = strength if kind == BIAS else 1.0
    if not isinstance(before, Tensor) and bias == 1.0:
        return longer
    shape = cond.extra.get(MASK_SHAPE, (1, 1))
    mask = attention_bias(
        before if isinstance(before, Tensor) else None,
        (cond.context.shape[1], tokens.shape[1], math.prod(shape)),  # type: ignore[arg-type]
        batch,
        math.log(bias) if bias else -math.inf,
    )
    return longer.with_extra({MASK: mask, MASK_SHAPE: shape})


def attention_bias(before: Tensor | None, lengths: tuple[int, int, int], batch: int, bias: float) -> Tensor:
    """What is added to attention's scores, Float16[batch token token]: text first, the style's tokens, then the picture's.

    Args:
        before: the same without the style's tokens, added or (bool) true where attention goes; None: it goes everywhere.
        lengths: tokens of text, of style, of places of the picture.
        bias: on what text and picture pay to the style's tokens.
    """
    text, style, picture = lengths
    whole = torch.zeros(batch, text + style + picture, text + style + picture, dtype=torch.float16)
    if before is not None:
        added = before.log().half() if before.dtype == torch.bool else before.half()
        if added.ndim == 2:  # which tokens of the text count at all
            added = F.pad(before.bool().log().half(), (0, picture))[:, None].expand(-1, text + picture, -1)
        added = added.reshape(-1, text + picture, text + picture).expand(batch, -1, -1)
        whole[:, :text, :text] = added[:, :text, :text]
        whole[:, :text, text + style :] = added[:, :text, text:]
        whole[:, text + style :, :text] = added[:, text:, :text]
        whole[:, text + style :, text + style :] = added[:, text:, text:]
    whole[:, :text, text : text + style] = bias
    whole[:, text + style :, text : text + style] = bias
    return whole


NODES = (
    clip_vision_loader,
    clip_vision_encode,
    unclip_checkpoint_loader,
    style_model_loader,
    style_model_apply,
)
