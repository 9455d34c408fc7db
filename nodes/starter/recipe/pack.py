"""Write the trained parts as one diffusers folder in the Stable Diffusion 1 layout, in float16."""

import json
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

_SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "set_alpha_to_one": True,
    "steps_offset": 1,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def write(
    unet: UNet2DConditionModel,
    autoencoder: AutoencoderKL,
    encoder: CLIPTextModel,
    tokenizer: Path,
    folder: Path,
) -> None:
    """Write a new `folder`, replacing what it held; the models are turned to float16 in place.

    Args:
        tokenizer: folder whose files are copied.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for part, model in (("unet", unet), ("vae", autoencoder), ("text_encoder", encoder)):
        model.half().save_pretrained(folder / part)
        _without_paths(folder / part / "config.json")
    _with_prefix(folder / "text_encoder" / "model.safetensors")
    shutil.copytree(tokenizer, folder / "tokenizer")
    (folder / "scheduler").mkdir()
    _write_json(folder / "scheduler" / "scheduler_config.json", _SCHEDULER)
    _write_json(folder / "model_index.json", _INDEX)


def _with_prefix(weights: Path) -> None:
    """Name text weights as published SD1 checkpoints do; transformers 5 leaves `text_model.` out."""
    tensors = load_file(weights)
    if not any(name.startswith("text_model.") for name in tensors):
        tensors = {f"text_model.{name}": tensor.contiguous() for name, tensor in tensors.items()}
        save_file(tensors, weights, metadata={"format": "pt"})


def _without_paths(config: Path) -> None:
    """Take out where on the training machine a part was read from."""
    content = json.loads(config.read_text(encoding="utf-8"))
    content.pop("_name_or_path", None)
    _write_json(config, content)


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")
