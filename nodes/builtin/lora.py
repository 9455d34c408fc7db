"""LoRAs: small changes of a model's weights, added to its recipe."""

from typing import Annotated

from nodes.builtin.kinds import AnyClip, ClipIn, ClipOut, ModelIn, ModelOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import present, reference
from nodes.diffusion.values import LoraPatch, Model
from nodes.spec import Combo, Context, Float, node

Name = Annotated[str, Combo(folder="loras")]
Strength = Annotated[float, Float(minimum=-100.0, maximum=100.0, step=0.01)]


@node("LoraLoader", name="Load LoRA", category="loaders", change_token=content_of("loras", "lora_name"))
def lora_loader(
    ctx: Context,
    model: ModelIn,
    clip: ClipIn,
    lora_name: Name,
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
) -> tuple[ModelOut, ClipOut]:
    """Add a LoRA to a model and its text encoder, each at a strength of its own."""
    return patched(ctx, model, clip, lora_name, strength_model, strength_clip)


@node("LoraLoaderModelOnly", category="loaders", change_token=content_of("loras", "lora_name"))
def lora_loader_model_only(
    ctx: Context, model: ModelIn, lora_name: Name, strength_model: Strength = 1.0
) -> ModelOut:
    """Add a LoRA to a model and leave its text encoder alone."""
    return patched(ctx, model, None, lora_name, strength_model, 0.0)[0]


def patched(
    ctx: Context, model: Model, clip: AnyClip, name: str, strength_model: float, strength_clip: float
) -> tuple[Model, AnyClip]:
    """Both recipes, longer by one LoRA where its strength is not 0. What matches nothing is told on the node."""
    if strength_model == 0.0 and strength_clip == 0.0:
        return model, clip
    file = reference(ctx, "loras", name)
    if strength_model:
        model = model.patched(LoraPatch(file, strength_model))
    recipe = present(clip)
    if strength_clip and recipe is not None:
        clip = recipe.patched(LoraPatch(file, strength_clip))
    return model, clip


NODES = (lora_loader, lora_loader_model_only)
