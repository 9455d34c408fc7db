"""Draw prompts with a packed model by deterministic DDIM, for contact sheets and the naming test."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from nodes.starter.recipe.text import token_ids


@dataclass(frozen=True, slots=True)
class Model:
    """The parts of a packed model, in float32."""

    unet: UNet2DConditionModel
    autoencoder: AutoencoderKL
    encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: DDIMScheduler


def load(folder: Path) -> Model:
    """Read a diffusers folder."""
    return Model(
        UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.float32).eval(),
        AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=torch.float32).eval(),
        CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", torch_dtype=torch.float32).eval(),
        CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer"),
        DDIMScheduler.from_pretrained(folder, subfolder="scheduler"),
    )


@torch.no_grad()
def draw(
    model: Model, prompts: list[str], seeds: list[int], guidance_scale: float = 3.0, steps: int = 20
) -> list[np.ndarray]:
    """One picture for each prompt and seed: uint8 (128, 128, 3)."""
    pictures: list[np.ndarray] = []
    for start in range(0, len(prompts), 16):
        part = slice(start, start + 16)
        latents = _denoised(model, prompts[part], seeds[part], guidance_scale, steps)
        decoded = model.autoencoder.decode(latents / model.autoencoder.config.scaling_factor).sample
        scaled = ((decoded.permute(0, 2, 3, 1) + 1) * 127.5).clamp(0, 255).round()
        pictures.extend(scaled.to(torch.uint8).numpy())
    return pictures


def _denoised(
    model: Model, prompts: list[str], seeds: list[int], guidance_scale: float, steps: int
) -> Tensor:
    """Latents (n, 4, 16, 16) for prompts, each from its own seed's noise."""
    states = model.encoder(token_ids(model.tokenizer, ["", *prompts])).last_hidden_state
    empty, said = states[:1].expand(len(prompts), -1, -1), states[1:]
    noise = [torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    latents = torch.stack(noise)
    model.scheduler.set_timesteps(steps)
    for timestep in model.scheduler.timesteps:
        both = model.unet(torch.cat([latents, latents]), timestep, torch.cat([empty, said])).sample
        without, towards = both.chunk(2)
        guided = without + guidance_scale * (towards - without)
        latents = model.scheduler.step(guided, timestep, latents).prev_sample
    return latents


def sheet(pictures: list[np.ndarray], columns: int, gap: int = 2) -> Image.Image:
    """A contact sheet, row by row, on white."""
    side = pictures[0].shape[0] + gap
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * side + gap, rows * side + gap), "white")
    for index, picture in enumerate(pictures):
        page.paste(Image.fromarray(picture), (gap + index % columns * side, gap + index // columns * side))
    return page
