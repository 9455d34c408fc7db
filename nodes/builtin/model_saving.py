"""Models to files: what wires carry, patches baked in, in the layout in which its family was published."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from safetensors.torch import save_file
from torch import Tensor

from nodes.builtin import record
from nodes.builtin.kinds import AnyVae, ClipIn, ModelIn, VaeIn
from nodes.builtin.models import models, present, there, told
from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.models import saving
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.vision import load_vision
from nodes.diffusion.models.vision_saving import vision_tensors
from nodes.diffusion.pool import Session
from nodes.diffusion.vae import VaeCoder
from nodes.diffusion.values import PIXEL_SPACE, Clip, Model
from nodes.diffusion.vision_values import ClipVision
from nodes.spec import Context, Hidden, Json, NodeError, Place, Result, Socket, String, node

SUFFIX = ".safetensors"
NETWORK, VAE = "model.diffusion_model.", "first_stage_model."
PURE_NOISE = 1000.0  # a highest sigma above it is a terminal signal-to-noise ratio of zero
MODELSPEC = {
    "Stable Diffusion XL": "stable-diffusion-xl-v1-base",
    "Stable Diffusion XL refiner": "stable-diffusion-xl-v1-refiner",
    "Stable Diffusion 3": "stable-diffusion-v3-medium",
}
Prompt = Annotated[Mapping[str, Json] | None, Hidden("PROMPT")]
Extra = Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")]


@node("CheckpointSave", name="Save Checkpoint", category="advanced/model_merging", output=True)
def checkpoint_save(
    ctx: Context,
    model: ModelIn,
    clip: ClipIn,
    vae: VaeIn,
    filename_prefix: Annotated[str, String()] = "checkpoints/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write a model with its text encoders and VAE into one file, as its family was published."""
    with models(ctx) as loaded:
        network = _network(loaded, model)
        tensors = _network_state(network, model)
        encoders = present(clip)
        tensors |= {} if encoders is None else _text_state(loaded, encoders, network.family.text)
        tensors |= {VAE + name: tensor for name, tensor in _vae_state(loaded, vae).items()}
        said = _modelspec(network)
    _write(ctx, filename_prefix, tensors, said, prompt, extra_pnginfo)
    return Result()


@node("ImageOnlyCheckpointSave", category="advanced/model_merging", output=True)
def image_only_checkpoint_save(
    ctx: Context,
    model: ModelIn,
    clip_vision: Annotated[ClipVision, Socket("CLIP_VISION")],
    vae: VaeIn,
    filename_prefix: Annotated[str, String()] = "checkpoints/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write a model that is steered by pictures, with its vision model and VAE, into one file."""
    with models(ctx) as loaded:
        network = _network(loaded, model)
        tensors = _network_state(network, model)
        eye = loaded.beside(Part.VISION, clip_vision.checkpoint, load_vision)
        with told():
            tensors |= vision_tensors(eye, clip_vision.checkpoint.path)
        tensors |= {VAE + name: tensor for name, tensor in _vae_state(loaded, vae).items()}
        said = _modelspec(network)
    _write(ctx, filename_prefix, tensors, said, prompt, extra_pnginfo)
    return Result()


@node("ModelSave", category="advanced/model_merging", output=True)
def model_save(
    ctx: Context,
    model: ModelIn,
    filename_prefix: Annotated[str, String()] = "diffusion_models/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write the denoising network alone."""
    with models(ctx) as loaded:
        network = _network(loaded, model)
        tensors, said = _network_state(network, model), _modelspec(network)
    _write(ctx, filename_prefix, tensors, said, prompt, extra_pnginfo)
    return Result()


@node("CLIPSave", category="advanced/model_merging", output=True)
def clip_save(
    ctx: Context,
    clip: ClipIn,
    filename_prefix: Annotated[str, String()] = "clip/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write each text encoder into a file of its own."""
    read = there(clip)
    with models(ctx) as loaded:
        for name, encoder in loaded.text(read).items():
            with told():
                tensors = saving.encoder_tensors(name, encoder, _paths(read))
            _write(ctx, f"{filename_prefix}_{saving.file_name(name)}", tensors, {}, prompt, extra_pnginfo)
    return Result()


@node("VAESave", category="advanced/model_merging", output=True)
def vae_save(
    ctx: Context,
    vae: VaeIn,
    filename_prefix: Annotated[str, String()] = "vae/ComfyUI_vae",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write a VAE."""
    if present(vae) is None or vae == PIXEL_SPACE:
        raise NodeError("There is no VAE to save.", "Connect one that was loaded from a file.")
    with models(ctx) as loaded:
        tensors = _vae_state(loaded, vae)
    _write(ctx, filename_prefix, tensors, {}, prompt, extra_pnginfo)
    return Result()


def _network(loaded: Session, model: Model) -> LoadedNetwork:
    with told():
        compute = saving.compute_for(model.checkpoint.path, loaded.pool.placement.dtype)
    settings = replace(model.settings, compute=compute or model.settings.compute, stored="")
    return loaded.network(replace(model, settings=settings))


def _network_state(network: LoadedNetwork, model: Model) -> dict[str, Tensor]:
    with told():
        state = saving.network_tensors(network, model.checkpoint.path)
    made = {NETWORK + name: tensor for name, tensor in state.items()}
    if network.parametrisation is Parametrisation.V and network.family.folder == "unet":
        made["v_pred"] = torch.tensor([])
        if network.levels.maximum > PURE_NOISE:
            made["ztsnr"] = torch.tensor([])
    return made


def _text_state(loaded: Session, clip: Clip, family: str) -> dict[str, Tensor]:
    with told():
        return saving.text_tensors(loaded.text(clip), _paths(clip), family)


def _vae_state(loaded: Session, vae: AnyVae) -> dict[str, Tensor]:
    recipe = present(vae)
    if recipe is None or recipe == PIXEL_SPACE:
        return {}
    coder = loaded.coder(recipe)
    assert isinstance(coder, VaeCoder)
    with told():
        return saving.vae_tensors(coder, recipe.checkpoint.path)


def _paths(clip: Clip) -> list[Path]:
    return [file.path for file in (clip.checkpoint, *clip.others)]


def _modelspec(network: LoadedNetwork) -> dict[str, str]:
    """What readers of the field's files look for in the header."""
    kind = "v" if network.parametrisation is Parametrisation.V else "epsilon"
    said = {"modelspec.predict_key": kind} if network.family.folder == "unet" else {}
    architecture = MODELSPEC.get(network.family.name)
    if architecture is None:
        return said
    about = {"modelspec.sai_model_spec": "1.0.0", "modelspec.implementation": "sgm"}
    return said | about | {"modelspec.architecture": architecture}


def _write(
    ctx: Context,
    name: str,
    tensors: Mapping[str, Tensor],
    said: Mapping[str, str],
    prompt: Mapping[str, Json] | None,
    extra: Mapping[str, Json] | None,
) -> None:
    texts = {key: json.dumps(value) for key, value in record.texts(ctx, prompt, extra).items()}
    slot = ctx.files.reserve(Place.OUTPUT, name, SUFFIX)
    with slot.writing() as path:
        save_file(dict(tensors), path, {"format": "pt", **said, **texts})


NODES = (checkpoint_save, image_only_checkpoint_save, clip_save, vae_save, model_save)
