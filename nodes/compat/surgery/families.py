"""Families of models by the field's names: the classes that packs ask with `isinstance`, and a network's settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from nodes.compat.formats import FORMATS, LatentFormat
from nodes.diffusion.models.detect import Part, family_of, find_part, network_folder
from nodes.diffusion.models.files import read_json

# Weft's family: the field's class of the model, of its configuration, and what its settings call it.
CALLED: Mapping[str, tuple[str, str, str]] = {
    "Stable Diffusion 1": ("BaseModel", "SD15", ""),
    "Stable Diffusion 2": ("BaseModel", "SD20", ""),
    "Stable Diffusion XL": ("SDXL", "SDXL", ""),
    "Stable Diffusion XL refiner": ("SDXLRefiner", "SDXLRefiner", ""),
    "Stable Diffusion x4 upscaler": ("SD_X4Upscaler", "SD_X4Upscaler", ""),
    "Stable Diffusion 3": ("SD3", "SD3", "sd3"),
    "FLUX.1": ("Flux", "Flux", "flux"),
    "FLUX.2": ("Flux2", "Flux2", "flux2"),
    "Chroma": ("Chroma", "Chroma", "chroma"),
    "AuraFlow": ("AuraFlow", "AuraFlow", "aura_flow"),
    "Lumina-Image 2": ("Lumina2", "Lumina2", "lumina2"),
    "Z-Image": ("Lumina2", "Lumina2", "lumina2"),
    "Qwen-Image": ("QwenImage", "QwenImage", "qwen_image"),
    "HiDream": ("HiDream", "HiDream", "hidream"),
    "PixArt": ("PixArt", "PixArtSigma", "pixart_sigma"),
    "Hunyuan-DiT": ("HunyuanDiT", "HunyuanDiT", "hydit"),
    "Stable Cascade, stage C": ("StableCascade_C", "Stable_Cascade_C", "cascade"),
    "Stable Cascade, stage B": ("StableCascade_B", "Stable_Cascade_B", "cascade"),
}
UNETS = frozenset(
    name
    for name, called in CALLED.items()
    if called[0] in ("BaseModel", "SDXL", "SDXLRefiner", "SD_X4Upscaler")
)
ADM = {"Stable Diffusion XL": 2816, "Stable Diffusion XL refiner": 2560}


def family_name(path: Path) -> str:
    """The family of a file or a model folder, told from its header alone; empty where that does not tell."""
    if path.is_dir():
        folder = path if (path / "config.json").is_file() else path / (network_folder(path) or "unet")
        family = family_of(read_json(folder / "config.json"))
    else:
        family = find_part(path, Part.NETWORK).family
    return "" if family is None else family.name


class Configuration:
    """What a model was made with. Packs read many names of it: those that nothing is known of are None."""

    unet_config: Any = None
    unet_extra_config: Any = None
    sampling_settings: Any = None
    latent_format: type[LatentFormat] = LatentFormat
    vae_key_prefix = ("first_stage_model.",)
    text_encoder_key_prefix = ("cond_stage_model.",)
    supported_inference_dtypes: tuple[Any, ...] = ()
    memory_usage_factor = 2.0
    required_keys: Any = None

    def __init__(self, unet_config: Any = None) -> None:
        self.unet_config = dict(unet_config or {})
        self.sampling_settings = dict(type(self).sampling_settings or {})
        self.latent_format = type(self).latent_format

    @classmethod
    def matches(cls, unet_config: Any, state_dict: Any = None, unet_key_prefix: str = "") -> bool:
        """Whether a network of these settings is of this family."""
        del state_dict, unet_key_prefix
        said = cls.__dict__.get("unet_config") or {}
        return bool(said) and all(unet_config.get(name) == value for name, value in said.items())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None


def _configurations() -> dict[str, type[Configuration]]:
    found: dict[str, type[Configuration]] = {}
    for _, called, image_model in CALLED.values():
        settings = {"image_model": image_model} if image_model else None
        found[called] = type(called, (Configuration,), {"unet_config": settings})
    formats = {"SD15": "SD15", "SD20": "SD15", "SDXL": "SDXL", "SDXLRefiner": "SDXL", "SD3": "SD3"}
    for called, name in {**formats, "Flux": "Flux"}.items():
        found[called].latent_format = FORMATS[name]
    return found


CONFIGURATIONS = _configurations()


def configuration(name: str, loaded: Any, latent_format: Any) -> Configuration:
    """Of a loaded network.

    Args:
        name: of its family, as Weft calls it.
    """
    _, called, image_model = CALLED.get(name, ("BaseModel", "SD15", ""))
    made = CONFIGURATIONS[called](_settings(cast("Any", loaded.module).config, image_model))
    made.latent_format = latent_format
    levels = loaded.levels
    if hasattr(levels, "shift"):
        made.sampling_settings = {"shift": levels.shift, "multiplier": levels.multiplier}
    return made


def _settings(config: Any, image_model: str) -> dict[str, Any]:
    """A network's settings by the field's names, as far as diffusers' say them."""
    said = dict(config)
    if image_model:
        return {"image_model": image_model, "in_channels": said.get("in_channels")}
    widths = tuple(said.get("block_out_channels") or (1,))
    return {
        "in_channels": said.get("in_channels"),
        "out_channels": said.get("out_channels"),
        "model_channels": widths[0],
        "channel_mult": tuple(width // widths[0] for width in widths),
        "num_res_blocks": said.get("layers_per_block"),
        "context_dim": said.get("cross_attention_dim"),
        "use_linear_in_transformer": bool(said.get("use_linear_projection")),
        "adm_in_channels": said.get("projection_class_embeddings_input_dim"),
        "transformer_depth": said.get("transformer_layers_per_block"),
    }
