"""Loaders: a file name becomes a recipe. Nothing is read yet but what tells one file from another."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast

import yaml

from nodes.builtin.kinds import ClipOut, ControlOut, ModelOut, VaeOut
from nodes.builtin.models import expect, reference, told
from nodes.diffusion.absent import Absent
from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.models.detect import Part, contents, family_in
from nodes.diffusion.models.stored import STORED
from nodes.diffusion.values import (
    PIXEL_SPACE,
    CheckpointRef,
    Clip,
    ControlNet,
    Model,
    ModelSettings,
    Vae,
)
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
    return _checkpoint(ctx, "checkpoints", ckpt_name)


@node(
    "CheckpointLoader",
    name="Load Checkpoint With Config (DEPRECATED)",
    category="advanced/loaders",
    deprecated=True,
    change_token=content_of("checkpoints", "ckpt_name"),
)
def checkpoint_loader(
    ctx: Context,
    config_name: Annotated[str, Combo(folder="configs")],
    ckpt_name: Annotated[str, Combo(folder="checkpoints")],
) -> tuple[ModelOut, ClipOut, VaeOut]:
    """The same; of the settings two count that files do not tell: velocity, and the layer of the text encoder."""
    said = _settings(ctx.files.find("configs", config_name))
    model, clip, vae = _checkpoint(ctx, "checkpoints", ckpt_name)
    if said.get("parameterization") == "v":
        model = replace(model, settings=replace(model.settings, parametrisation=Parametrisation.V.value))
    layer = said.get("layer_idx")
    if isinstance(clip, Clip) and isinstance(layer, int):
        clip = replace(clip, last_layer=layer)
    return model, clip, vae


@node(
    "DiffusersLoader",
    category="advanced/loaders/deprecated",
    change_token=content_of("diffusers", "model_path"),
)
def diffusers_loader(
    ctx: Context, model_path: Annotated[str, Combo(folder="diffusers")]
) -> tuple[ModelOut, ClipOut, VaeOut]:
    """A model with its text encoders and VAE, from a folder as diffusers saves it."""
    return _checkpoint(ctx, "diffusers", model_path)


@node(
    "UNETLoader",
    name="Load Diffusion Model",
    category="advanced/loaders",
    change_token=content_of("diffusion_models", "unet_name"),
)
def unet_loader(
    ctx: Context,
    unet_name: Annotated[str, Combo(folder="diffusion_models")],
    weight_dtype: Annotated[str, Combo(("default", *STORED), advanced=True)],
) -> ModelOut:
    """A denoising network from a file of its own; in eight bits its weights take half the memory, and lose a little."""
    file = reference(ctx, "diffusion_models", unet_name)
    _with_network(file, unet_name)
    settings = ModelSettings(stored="" if weight_dtype == "default" else weight_dtype)
    expect(ctx, file, Part.NETWORK, settings=settings)
    return Model(file, settings=settings)


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
    return control_net(ctx, control_net_name)


def control_net(ctx: Context, name: str) -> ControlNet:
    """The recipe of a listed control network."""
    file = reference(ctx, "controlnet", name)
    return ControlNet(file, pools_residuals=file.path.stem.endswith(SHUFFLED))


def _checkpoint(ctx: Context, folder: str, name: str) -> tuple[Model, Clip | Absent, Vae | Absent]:
    file = reference(ctx, folder, name)
    parts = _with_network(file, name)
    with told():
        family = family_in(file.path)
    expect(ctx, file, *(part for part in (Part.TEXT, Part.NETWORK, Part.VAE) if part in parts))
    kind, called = ("", "a model") if family is None else (family.text, family.name)
    loader = "CLIPLoader" if family is None else family.encoders
    clip, vae = Clip(file, kind=kind), Vae(file)
    return (
        Model(file),
        clip if Part.TEXT in parts else _absent(name, called, "text encoder", loader, "CLIP"),
        vae if Part.VAE in parts else _absent(name, called, "VAE", "VAELoader", "VAE"),
    )


def _absent(name: str, called: str, part: str, loader: str, socket: str) -> Absent:
    return Absent(
        f"{name} holds {called} without a {part}.",
        f"Add the node {loader}, choose there the {part} that belongs to {called}, and connect its {socket}.",
    )


def _with_network(file: CheckpointRef, name: str) -> frozenset[Part]:
    with told():
        parts = contents(file.path)
    if Part.NETWORK not in parts:
        held = ", ".join(sorted(part.value for part in parts)) or "nothing that Weft knows"
        raise NodeError(
            f"{name} is no checkpoint with a diffusion model: it holds {held}.",
            "Choose another file, or load this one with the loader of its kind.",
        )
    return parts


def _settings(path: Path) -> dict[str, object]:
    """All settings of a model's .yaml by their last names; of two of one name, the deeper.

    Raises:
        NodeError: it is no YAML.
    """
    try:
        said: object = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NodeError(
            f"The settings {path.name} do not read: {error}.", "Get the file again, or use Load Checkpoint."
        ) from error
    found: dict[str, object] = {}
    rest = [said]
    while rest:
        entry = rest.pop(0)
        if isinstance(entry, dict):
            known = cast("dict[str, object]", entry)
            found |= known
            rest += known.values()
    return found


NODES = (
    checkpoint_loader_simple,
    checkpoint_loader,
    diffusers_loader,
    unet_loader,
    vae_loader,
    controlnet_loader,
)
