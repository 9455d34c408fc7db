"""Patches of transformers that read pictures: control networks of a model as a whole, and style references."""

from dataclasses import replace
from typing import Annotated

import torch

from nodes.builtin.kinds import ImageIn, ModelIn, ModelOut, VaeIn
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, present, reference, told
from nodes.diffusion.guidance.controlling import Controlled, StyleReferenced
from nodes.diffusion.lending import ModelPatch
from nodes.diffusion.models.detect import Layout, Part, find_parts
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.models.style_tokens import MARK, load_projector
from nodes.diffusion.values import ControlNet, ControlUse, Image, Mask
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import Combo, Context, Float, NodeError, Out, Socket, node

LAYOUTS = (Layout.BLOCKWISE, Layout.Z_IMAGE)
GRAY = 0.5
Patch = Annotated[ModelPatch, Socket("MODEL_PATCH")]
Strength = Annotated[float, Float(minimum=-10.0, maximum=10.0, step=0.01)]
OptionalImage = Annotated[Image | None, Socket("IMAGE", optional=True)]
OptionalMask = Annotated[Mask | None, Socket("MASK", optional=True)]


@node(
    "ModelPatchLoader",
    category="advanced/loaders",
    experimental=True,
    change_token=content_of("model_patches", "name"),
)
def model_patch_loader(
    ctx: Context, name: Annotated[str, Combo(folder="model_patches")]
) -> Annotated[ModelPatch, Out("MODEL_PATCH")]:
    """A network that steers a transformer: control networks of Qwen-Image and Z-Image, style projectors of FLUX.1 (USO)."""
    file = reference(ctx, "model_patches", name)
    with told():
        control = find_parts(file.path).get(Part.CONTROL)
        known = MARK in open_weights(file.path).shapes
    if not known and (control is None or control.layout not in LAYOUTS):
        raise NodeError(
            f"{name} is no model patch that Weft knows.",
            "Known are blockwise control networks of Qwen-Image (DiffSynth), those of Z-Image (Fun), and USO's projector.",
        )
    return ModelPatch(file)


@node("QwenImageDiffsynthControlnet", category="advanced/loaders/qwen", experimental=True)
def qwen_image_diffsynth_controlnet(
    ctx: Context,
    model: ModelIn,
    model_patch: Patch,
    vae: VaeIn,
    image: ImageIn,
    strength: Strength = 1.0,
    mask: OptionalMask = None,
) -> ModelOut:
    """Let a picture steer Qwen-Image, whatever the prompt; nets for inpainting read where the picture is painted anew."""
    return _controlled(
        model,
        model_patch,
        ControlUse(ControlNet(model_patch.checkpoint), image, strength, vae=present(vae)),
        mask,
    )


@node("ZImageFunControlnet", category="advanced/loaders/zimage", experimental=True)
def z_image_fun_controlnet(
    ctx: Context,
    model: ModelIn,
    model_patch: Patch,
    vae: VaeIn,
    strength: Strength = 1.0,
    image: OptionalImage = None,
    inpaint_image: OptionalImage = None,
    mask: OptionalMask = None,
) -> ModelOut:
    """Let a picture steer Z-Image, whatever the prompt; nets of the second version paint a part of another one anew."""
    like = inpaint_image if image is None else image
    if like is None:
        like = torch.full((1, 64, 64, 3), GRAY)
    hint = torch.full_like(like[:1, ..., :3], GRAY) if image is None else image
    use = ControlUse(
        ControlNet(model_patch.checkpoint), hint, strength, vae=present(vae), inpainted=inpaint_image
    )
    return _controlled(model, model_patch, use, mask)


@node("USOStyleReference", category="advanced/model_patches/flux", experimental=True)
def uso_style_reference(
    ctx: Context,
    model: ModelIn,
    model_patch: Patch,
    clip_vision_output: Annotated[ClipVisionOutput, Socket("CLIP_VISION_OUTPUT")],
) -> ModelOut:
    """Let FLUX.1 paint in the style of a picture that SigLIP saw."""
    with models(ctx) as loaded:
        projector = loaded.beside(Part.STYLE_TOKENS, model_patch.checkpoint, load_projector)
        return model.ruled(StyleReferenced(projector.tokens(clip_vision_output)))


def _controlled(model: ModelIn, patch: ModelPatch, use: ControlUse, mask: Mask | None) -> ModelOut:
    """The model with a control network; nets for inpainting are told what stays of the picture."""
    if use.strength == 0.0:
        return model
    if use.vae is None:
        raise NodeError(
            f"{patch.checkpoint.path.name} reads latents, and the checkpoint brought no VAE.",
            "Connect a VAE of the model's family, from Load VAE.",
        )
    shown = replace(use, hint=use.hint[..., :3], mask=None if mask is None else 1.0 - mask)
    return model.ruled(Controlled(shown))


NODES = (model_patch_loader, qwen_image_diffsynth_controlnet, z_image_fun_controlnet, uso_style_reference)
