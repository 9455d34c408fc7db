"""Loaders: a file name becomes a recipe. Nothing is read yet but what tells one file from another."""

from collections.abc import Callable
from typing import Annotated

from nodes.builtin.kinds import ClipOut, ControlOut, ModelOut, VaeOut
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import ControlNet, Vae
from nodes.spec import Combo, Context, Json, node

SHUFFLED = ("_shuffle", "_shuffle_fp16")  # nets whose residuals are averaged over the picture


def content_of(folder: str, input: str) -> Callable[..., str]:
    """A change token: the content of the file an input names, so that a replaced file is noticed."""

    def token(ctx: Context, **inputs: Json) -> str:
        return ctx.resource(Pool).reference(ctx.files.find(folder, str(inputs[input]))).content

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
    return ctx.resource(Pool).checkpoint(ctx.files.find("checkpoints", ckpt_name))


@node("VAELoader", name="Load VAE", category="loaders", change_token=content_of("vae", "vae_name"))
def vae_loader(ctx: Context, vae_name: Annotated[str, Combo(folder="vae")]) -> VaeOut:
    """A VAE from a file of its own."""
    return Vae(ctx.resource(Pool).reference(ctx.files.find("vae", vae_name)))


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
    path = ctx.files.find("controlnet", control_net_name)
    return ControlNet(ctx.resource(Pool).reference(path), pools_residuals=path.stem.endswith(SHUFFLED))


NODES = (checkpoint_loader_simple, vae_loader, controlnet_loader)
