"""Loaders: a file name becomes a recipe. Nothing is read yet but what tells one file from another."""

from collections.abc import Callable
from typing import Annotated

from nodes.builtin.kinds import ClipOut, ControlOut, ModelOut, VaeOut
from nodes.builtin.models import reference, told
from nodes.diffusion.models.detect import Part, contents
from nodes.diffusion.values import PIXEL_SPACE, Clip, ControlNet, Model, Vae
from nodes.spec import Combo, Context, Json, NodeError, node

PIXELS = PIXEL_SPACE.checkpoint.content
SHUFFLED = ("_shuffle", "_shuffle_fp16")  # nets whose residuals are averaged over the picture


def content_of(folder: str, input: str) -> Callable[..., str]:
    """A change token: the content of the file an input names, so that a replaced file is noticed."""

    def token(ctx: Context, **inputs: Json) -> str:
        name = str(inputs[input])
        return name if name == PIXELS else reference(ctx, folder, name).content

    return token


@node(
    "CheckpointLoaderSimple",
    name="Load Checkpoint",
    category="loaders",
    change_token=content_of("checkpoints", "ckpt_name"),
)
def checkpoint_loader_simple(
    ctx: Context, ckpt_name: Annotated[str, Combo(folder="checkpoints")]
) -> tuple[ModelOut, ClipOut, VaeOut]:
    """A model with its text encoder and VAE, from one file or model folder."""
    file = reference(ctx, "checkpoints", ckpt_name)
    with told():
        parts = contents(file.path)
    if Part.NETWORK not in parts:
        held = ", ".join(sorted(part.value for part in parts)) or "nothing that Weft knows"
        raise NodeError(
            f"{ckpt_name} is no checkpoint with a diffusion model: it holds {held}.",
            "Choose another file, or load this one with the loader of its kind.",
        )
    return Model(file), Clip(file) if Part.TEXT in parts else None, Vae(file) if Part.VAE in parts else None


@node("VAELoader", name="Load VAE", category="loaders", change_token=content_of("vae", "vae_name"))
def vae_loader(ctx: Context, vae_name: Annotated[str, Combo((PIXELS,), folder="vae")]) -> VaeOut:
    """A VAE from a file of its own; `pixel_space` for models that need none."""
    return PIXEL_SPACE if vae_name == PIXELS else Vae(reference(ctx, "vae", vae_name))


@node(
    "ControlNetLoader",
    name="Load ControlNet Model",
    category="loaders",
    change_token=content_of("controlnet", "control_net_name"),
)
def controlnet_loader(
    ctx: Context, control_net_name: Annotated[str, Combo(folder="controlnet")]
) -> ControlOut:
    """A network that lets a picture steer where things go."""
    file = reference(ctx, "controlnet", control_net_name)
    return ControlNet(file, pools_residuals=file.path.stem.endswith(SHUFFLED))


NODES = (checkpoint_loader_simple, vae_loader, controlnet_loader)
