"""A tiny model of the Stable Diffusion 1 family, as a diffusers folder and as one file in the original layout."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from nodes.diffusion.models import unet_shape, vae_shape

CONTEXT = 64
UNET = {
    "block_out_channels": (32, 64),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "cross_attention_dim": CONTEXT,
    "attention_head_dim": 8,
}
VAE = {
    "block_out_channels": (32, 32, 64, 64),
    "layers_per_block": 1,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
TEXT = {
    "vocab_size": 49408,
    "hidden_size": CONTEXT,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 1,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
}


def seeded(module, seed: int = 0):
    """Random weights, biases and norms too, so that no tensor could be swapped for another unseen."""
    chance = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=chance)
        if parameter.ndim > 1:
            parameter.data = noise / parameter[0].numel() ** 0.5
        else:
            parameter.data = 0.1 * noise + (1.0 if name.endswith("weight") else 0.0)
    return module.eval().requires_grad_(False)


def unet() -> UNet2DConditionModel:
    return seeded(UNet2DConditionModel(up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **UNET))


def vae() -> AutoencoderKL:
    return seeded(AutoencoderKL(**VAE))


def text() -> CLIPTextModel:
    return seeded(CLIPTextModel(CLIPTextConfig(**TEXT)))


def control() -> ControlNetModel:
    return seeded(ControlNetModel(**UNET), 5)


def folder(path: Path, scheduler: dict[str, object] | None = None) -> Path:
    unet().save_pretrained(path / "unet")
    vae().save_pretrained(path / "vae")
    text().save_pretrained(path / "text_encoder")
    (path / "scheduler").mkdir()
    said = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"} | (scheduler or {})
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(said))
    return path


def original_unet(module: nn.Module, names: dict[str, str], prefix: str) -> dict[str, Tensor]:
    """A module's tensors by their names in the original layout; fails where one has none."""
    back = {ours: theirs for theirs, ours in names.items()}
    return {prefix + _back(name, back): tensor.clone() for name, tensor in module.state_dict().items()}


def original_file(path: Path) -> Path:
    """The whole model in one file, as Stable Diffusion 1 was published."""
    shapes = {name: tuple(tensor.shape) for name, tensor in unet().state_dict().items()}
    names = unet_shape.original_names(unet_shape.diffusers_shape(shapes))
    state = original_unet(unet(), names, "model.diffusion_model.")
    state |= original_vae("first_stage_model.")
    for name, tensor in text().state_dict().items():
        inner = name.removeprefix("text_model.")
        state[f"cond_stage_model.transformer.text_model.{inner}"] = tensor.clone()
    save_file(state, path)
    return path


def original_vae(prefix: str) -> dict[str, Tensor]:
    module = vae()
    shape = vae_shape.VaeShape((32, 32, 64, 64), 1, 4)
    back = {ours: theirs for theirs, ours in vae_shape.original_names(shape).items()}
    state: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        old = name.replace(".conv_shortcut.", ".nin_shortcut.")
        prefixes = [ours for ours in back if old.startswith(ours)]
        if prefixes:
            old = back[max(prefixes, key=len)] + old.removeprefix(max(prefixes, key=len))
        convolved = ".attn_1." in old and tensor.ndim == 2
        state[prefix + old] = (tensor[..., None, None] if convolved else tensor).clone()
    return state


def original_control(path: Path) -> Path:
    shapes = {name: tuple(tensor.shape) for name, tensor in unet().state_dict().items()}
    names = unet_shape.control_names(unet_shape.diffusers_shape(shapes))
    save_file(original_unet(control(), names, "control_model."), path)
    return path


def _back(name: str, names: dict[str, str]) -> str:
    found = unet_shape.renamed(name, names)
    assert found is not None, name
    return found
