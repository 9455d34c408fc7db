"""What single families read beside a prompt: pictures to start from, sizes, lengths, guidance, other latents."""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import (
    ConditioningIn,
    ConditioningOut,
    ImageIn,
    LatentIn,
    MaskIn,
    NegativeOut,
    PositiveOut,
    VaeIn,
)
from nodes.builtin.models import models
from nodes.builtin.vae import there
from nodes.diffusion.resize import resize
from nodes.diffusion.values import Conditioning, Image, Latent
from nodes.spec import Boolean, Combo, Context, Float, NodeError, Out, Socket, node

PIXELS = 8  # sides of pictures are cut to multiples of this
FLUX, EDIT = "advanced/conditioning/flux", "advanced/conditioning/edit_models"
REFERENCES = "reference_latents"
METHODS = ("offset", "index", "uxo/uno", "index_timestep_zero")
SD4X_RATIO = 4  # latents of that upscaler are a quarter of the picture's size
NamedLatent = Annotated[Latent, Out("LATENT", "latent")]
Seconds = Annotated[float, Float(minimum=0.0, maximum=1000.0, step=0.1)]


@node("FluxGuidance", category=FLUX)
def flux_guidance(
    ctx: Context,
    conditioning: ConditioningIn,
    guidance: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.1)] = 3.5,
) -> ConditioningOut:
    """How closely models that were trained with guidance follow the prompt."""
    return _with(conditioning, {"guidance": guidance})


@node("FluxDisableGuidance", category=FLUX)
def flux_disable_guidance(ctx: Context, conditioning: ConditioningIn) -> ConditioningOut:
    """Ask such a model without its trained guidance."""
    return _with(conditioning, {"guidance": None})


@node(
    "FluxKontextMultiReferenceLatentMethod",
    name="Edit Model Reference Method",
    category=FLUX,
    experimental=True,
)
def flux_kontext_multi_reference_latent_method(
    ctx: Context,
    conditioning: ConditioningIn,
    reference_latents_method: Annotated[str, Combo(METHODS, bare=False)],
) -> ConditioningOut:
    """Where editing models place the pictures that they refer to."""
    named = reference_latents_method
    method = "uxo" if "uxo" in named or "uso" in named else named
    return _with(conditioning, {"reference_latents_method": method})


@node("ReferenceLatent", category=EDIT)
def reference_latent(
    ctx: Context,
    conditioning: ConditioningIn,
    latent: Annotated[Latent | None, Socket("LATENT", optional=True)] = None,
) -> ConditioningOut:
    """Show an editing model a picture to refer to; several in a row are several pictures."""
    if latent is None:
        return conditioning
    return tuple(
        cond.with_extra({REFERENCES: [*_list(cond.extra.get(REFERENCES)), latent.samples]})
        for cond in conditioning
    )


@node("ConditioningStableAudio", category="conditioning")
def conditioning_stable_audio(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    seconds_start: Seconds = 0.0,
    seconds_total: Seconds = 47.0,
) -> tuple[PositiveOut, NegativeOut]:
    """Where in a piece of music the sound starts, and how long the piece is."""
    said = {"seconds_start": seconds_start, "seconds_total": seconds_total}
    return _with(positive, said), _with(negative, said)


@node("SD_4XUpscale_Conditioning", category="conditioning/upscale_diffusion")
def sd_4x_upscale_conditioning(
    ctx: Context,
    images: ImageIn,
    positive: ConditioningIn,
    negative: ConditioningIn,
    scale_ratio: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01)] = 4.0,
    noise_augmentation: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)] = 0.0,
) -> tuple[PositiveOut, NegativeOut, NamedLatent]:
    """Show the Stable Diffusion upscaler the small picture; noise on it leaves more to the model."""
    height, width = (max(1, round(side * scale_ratio)) // SD4X_RATIO for side in images.shape[1:3])
    if height < 1 or width < 1:
        raise NodeError("The picture would have no pixels.", "Choose a larger scale_ratio.")
    planes = (images.movedim(-1, 1) * 2.0) - 1.0
    said = {
        "concat_image": resize(planes, width, height, "bilinear", "center"),
        "noise_augmentation": noise_augmentation,
    }
    latent = Latent(torch.zeros(len(images), 4, height, width))
    return _with(positive, said), _with(negative, said), latent


@node("StableCascade_StageB_Conditioning", category="conditioning/stable_cascade")
def stable_cascade_stage_b_conditioning(
    ctx: Context, conditioning: ConditioningIn, stage_c: LatentIn
) -> ConditioningOut:
    """Hand what stage C of Stable Cascade made to stage B."""
    return _with(conditioning, {"stable_cascade_prior": stage_c.samples})


@node("unCLIPConditioning", category="conditioning")
def unclip_conditioning(
    ctx: Context,
    conditioning: ConditioningIn,
    clip_vision_output: Annotated[object, Socket("CLIP_VISION_OUTPUT")],
    strength: Annotated[float, Float(minimum=-10.0, maximum=10.0, step=0.01)] = 1.0,
    noise_augmentation: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.0,
) -> ConditioningOut:
    """Steer by a picture's content, for models that read it; noise on it leaves more to the model."""
    if strength == 0.0:
        return conditioning
    added = {
        "clip_vision_output": clip_vision_output,
        "strength": strength,
        "noise_augmentation": noise_augmentation,
    }
    name = "unclip_conditioning"
    return tuple(cond.with_extra({name: [*_list(cond.extra.get(name)), added]}) for cond in conditioning)


@node("InpaintModelConditioning", category="conditioning/inpaint")
def inpaint_model_conditioning(
    ctx: Context,
    positive: ConditioningIn,
    negative: ConditioningIn,
    vae: VaeIn,
    pixels: ImageIn,
    mask: MaskIn,
    noise_mask: Annotated[bool, Boolean()] = True,
) -> tuple[PositiveOut, NegativeOut, NamedLatent]:
    """Show a model that was trained for it the picture with a hole; `noise_mask` also keeps what is outside."""
    planes = resize(
        mask.reshape(-1, 1, *mask.shape[-2:]), pixels.shape[2], pixels.shape[1], "bilinear", "disabled"
    )
    whole, planes = _even(pixels), _even(planes.movedim(1, -1)).movedim(-1, 1)
    outside = (1.0 - planes.round()).movedim(1, -1)
    holed = torch.cat(((whole[..., :3] - 0.5) * outside + 0.5, whole[..., 3:]), -1)
    with models(ctx) as loaded:
        coder = loaded.vae(there(vae))
        hidden, original = coder.encode(holed), coder.encode(whole)
    said = {"concat_latent_image": hidden, "concat_mask": planes}
    latent = Latent(original, planes if noise_mask else None)
    return _with(positive, said), _with(negative, said), latent


@node("InstructPixToPixConditioning", category="conditioning/instructpix2pix")
def instruct_pix_to_pix_conditioning(
    ctx: Context, positive: ConditioningIn, negative: ConditioningIn, vae: VaeIn, pixels: ImageIn
) -> tuple[PositiveOut, NegativeOut, NamedLatent]:
    """Show a model that edits by words the picture to edit."""
    with models(ctx) as loaded:
        hidden = loaded.vae(there(vae)).encode(_even(pixels))
    said = {"concat_latent_image": hidden}
    return _with(positive, said), _with(negative, said), Latent(torch.zeros_like(hidden))


def _with(conditioning: Conditioning, entries: Mapping[str, object]) -> Conditioning:
    return tuple(cond.with_extra(entries) for cond in conditioning)


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _even(image: Image) -> Tensor:
    """Cut to multiples of 8, as much on both sides."""
    height, width = ((side // PIXELS) * PIXELS for side in image.shape[1:3])
    top, left = ((side % PIXELS) // 2 for side in image.shape[1:3])
    return image[:, top : top + height, left : left + width]


NODES = (
    flux_guidance,
    flux_disable_guidance,
    flux_kontext_multi_reference_latent_method,
    reference_latent,
    conditioning_stable_audio,
    sd_4x_upscale_conditioning,
    stable_cascade_stage_b_conditioning,
    unclip_conditioning,
    inpaint_model_conditioning,
    instruct_pix_to_pix_conditioning,
)
