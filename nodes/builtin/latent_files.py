"""Latents in files: safetensors with the samples, and what made them in its metadata."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated

import torch
from safetensors.torch import save_file

from nodes.builtin import record
from nodes.builtin.kinds import LatentIn, LatentOut
from nodes.builtin.models import told
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.values import Latent
from nodes.spec import Combo, Context, Hidden, Json, NodeError, Place, Result, String, node

SAMPLES = "latent_tensor"
UNSCALED = "latent_format_version_0"  # an empty tensor of this name says that samples lie at the VAE's scale
OLD_SCALE = 1 / 0.18215  # files without it hold Stable Diffusion 1's latents at the model's
SUFFIX = ".latent"
Prompt = Annotated[Mapping[str, Json] | None, Hidden("PROMPT")]
Extra = Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")]


def file_token(ctx: Context, latent: str | None = None) -> str:
    """Changes when the file does."""
    return hashlib.sha256(ctx.files.picture(latent or "").read_bytes()).hexdigest()


def file_exists(ctx: Context, latent: str | None = None) -> bool | str:
    """The file may have gone since the list was read."""
    if latent is None:
        return True
    try:
        ctx.files.picture(latent)
    except NodeError:
        return f"Invalid latent file: {latent}"
    return True


@node("SaveLatent", name="SaveLatent", category="_for_testing", output=True)
def save_latent(
    ctx: Context,
    samples: LatentIn,
    filename_prefix: Annotated[str, String()] = "latents/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write latents to the output folder, with the prompt and the workflow that made them. Masks are not written."""
    made = record.texts(ctx, prompt, extra_pnginfo)
    slot = ctx.files.reserve(Place.OUTPUT, filename_prefix, SUFFIX)
    tensors = {SAMPLES: samples.samples.contiguous(), UNSCALED: torch.tensor([])}
    with slot.writing() as path:
        save_file(tensors, path, {name: json.dumps(value) for name, value in made.items()} or {"prompt": ""})
    return Result(ui={"latents": [slot.reference()]})


@node(
    "LoadLatent",
    name="LoadLatent",
    category="_for_testing",
    change_token=file_token,
    validate=file_exists,
)
def load_latent(ctx: Context, latent: Annotated[str, Combo(folder="input_latents")]) -> LatentOut:
    """Latents from a file in the input folder."""
    path = ctx.files.picture(latent)
    with told():
        weights = open_weights(path)
        if SAMPLES not in weights.shapes:
            raise NodeError(f"{latent} holds no latents.", "Choose a file that Save Latent has written.")
        samples = weights.tensors([SAMPLES])[SAMPLES].float()
    return Latent(samples if UNSCALED in weights.shapes else samples * OLD_SCALE)


NODES = (save_latent, load_latent)
