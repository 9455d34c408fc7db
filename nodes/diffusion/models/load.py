"""Loading: the parts of a checkpoint, from one file or from a model's folder, as networks ready to be asked."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import nn

from nodes.diffusion.control import LoadedControl
from nodes.diffusion.denoiser import LatentFormat
from nodes.diffusion.errors import CheckpointUnreadable, DiffusionError, PartMissing
from nodes.diffusion.models import scheduling, text, unet_shape, vae_shape
from nodes.diffusion.models.build import fill, known_settings, modules_in, unfilled
from nodes.diffusion.models.detect import Found, Layout, Part, find_part
from nodes.diffusion.models.files import WeightFile, folder_weights, read_json
from nodes.diffusion.models.network import UnetNetwork
from nodes.diffusion.models.text import TextStack
from nodes.diffusion.preview import sd1_format, with_fitted_map, with_stored_map
from nodes.diffusion.vae import VaeCoder

Sized = TypeVar("Sized")

SD1_SCALE = 0.18215
SD1_WIDTHS = (128, 256, 512, 512)
CLASSES = (
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "nodes.diffusion.models.clip",
)
LOADERS = {
    Part.NETWORK: "CheckpointLoaderSimple",
    Part.TEXT: "CheckpointLoaderSimple",
    Part.VAE: "VAELoader",
    Part.CONTROL: "ControlNetLoader",
}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where networks live and compute.

    Attributes:
        dtype: of U-Nets and control networks; `vae_dtype` of autoencoders, which overflow in half precision;
            `text_dtype` of text models, small enough to be exact.
    """

    device: torch.device
    dtype: torch.dtype
    vae_dtype: torch.dtype
    text_dtype: torch.dtype = torch.float32


def best_placement() -> Placement:
    """A CUDA device in half precision where there is one, else the processor in single."""
    if torch.cuda.is_available():
        wide = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
        return Placement(torch.device("cuda"), torch.float16, wide)
    return Placement(torch.device("cpu"), torch.float32, torch.float32)


def warm_up() -> None:
    """Import the classes of networks: seconds that a worker may spend before its first prompt."""
    for name in CLASSES:
        import_module(name)


def load_network(path: Path, placement: Placement) -> UnetNetwork:
    """The U-Net of a checkpoint.

    Raises:
        DiffusionError: the file is missing, damaged, of an unknown family, or holds none.
    """
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    if path.is_dir():
        source = _folder(path, "unet", Part.NETWORK)
        settings = known_settings(
            UNet2DConditionModel, read_json(path / "unet" / "config.json"), path / "unet"
        )
        module = unfilled(lambda: UNet2DConditionModel(**settings), path)
        names = [(name, name) for name in source.shapes]
        training = scheduling.of_folder(path)
    else:
        found = find_part(path, Part.NETWORK)
        source = found.weights
        shape = _measured(found, unet_shape.original_shape, unet_shape.diffusers_shape)
        module = unfilled(lambda: UNet2DConditionModel(**shape.unet_settings()), path)
        names = _names(found, unet_shape.original_names(shape))
        training = scheduling.of_file(source.shapes)
    fill(module, source, names, placement.device, placement.dtype)
    form = _latent_format(path, placement)
    form = replace(form, joined=cast("Any", module).config.in_channels - form.channels)
    return UnetNetwork(
        module, training.parametrisation, training.levels, form, placement.device, placement.dtype
    )


def load_vae(path: Path, placement: Placement) -> VaeCoder:
    """The autoencoder of a checkpoint, or of a file of its own. Errors as `load_network`."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    if path.is_dir():
        folder = path if (path / "config.json").is_file() else path / "vae"
        source = _folder(folder.parent, folder.name, Part.VAE)
        settings = known_settings(AutoencoderKL, read_json(folder / "config.json"), folder)
        names = [(name, vae_shape.from_old(name)) for name in source.shapes]
    else:
        found = find_part(path, Part.VAE)
        source = found.weights
        shape = _measured(found, vae_shape.original_shape, vae_shape.diffusers_shape)
        settings = shape.settings()
        original = vae_shape.original_names(shape)
        names = [
            (
                found.prefix + name,
                vae_shape.from_original(name, original)
                if found.layout is Layout.ORIGINAL
                else vae_shape.from_old(name),
            )
            for name in found.shapes
        ]
    module = unfilled(lambda: AutoencoderKL(**settings), path)
    fill(module, source, names, placement.device, placement.vae_dtype, vae_shape.flattened)
    config = cast("Any", module).config
    pixels = 2 ** (len(config.block_out_channels) - 1)
    return VaeCoder(module, pixels, config.latent_channels, placement.device, placement.vae_dtype)


def load_text(path: Path, placement: Placement) -> TextStack:
    """The text encoders of a checkpoint, a folder, or a file of their own. Errors as `load_network`."""
    return text.load_text(path, placement.device, placement.text_dtype, placement.vae_dtype)


def load_control(path: Path, placement: Placement, *, pools: bool = False) -> LoadedControl:
    """A control network from a file of its own or a folder of diffusers. Errors as `load_network`."""
    from diffusers.models.controlnets.controlnet import ControlNetModel

    if path.is_dir():
        source = _folder(path.parent, path.name, Part.CONTROL)
        settings = known_settings(ControlNetModel, read_json(path / "config.json"), path)
        names = [(name, name) for name in source.shapes]
    else:
        found = find_part(path, Part.CONTROL)
        source = found.weights
        shape = _measured(found, unet_shape.original_shape, unet_shape.diffusers_shape)
        settings = shape.settings()
        names = _names(found, unet_shape.control_names(shape))
    module = unfilled(lambda: ControlNetModel(**settings), path)
    fill(module, source, names, placement.device, placement.dtype)
    return LoadedControl(module, placement.device, placement.dtype, pools)


def _latent_format(path: Path, placement: Placement) -> LatentFormat:
    """A single file's is Stable Diffusion 1's; a folder says its own scale, and a map for previews is found for it."""
    if not (path / "vae" / "config.json").is_file():
        return sd1_format()
    said = read_json(path / "vae" / "config.json")
    widths, scale = tuple(said.get("block_out_channels", ())), float(said.get("scaling_factor", SD1_SCALE))
    if widths == SD1_WIDTHS and scale == SD1_SCALE:
        return sd1_format()
    form = LatentFormat(
        channels=int(said.get("latent_channels", 4)),
        scale=scale,
        shift=float(said.get("shift_factor") or 0.0),
        pixels=2 ** (len(widths) - 1),
    )
    stored = with_stored_map(form, path / "preview.json")
    return stored if stored is not None else with_fitted_map(form, load_vae(path, placement))


def _folder(path: Path, name: str, part: Part) -> WeightFile:
    if not (path / name / "config.json").is_file():
        raise PartMissing(path, part.value, LOADERS[part])
    return folder_weights(path / name)


def _measured(found: Found, original: Callable[[Any], Sized], diffusers: Callable[[Any], Sized]) -> Sized:
    try:
        return (original if found.layout is Layout.ORIGINAL else diffusers)(found.shapes)
    except (KeyError, IndexError, ValueError) as error:
        hint = "It is a variant that Weft does not know, or it is cut short."
        raise CheckpointUnreadable(found.weights.path, f"it lacks the tensor {error}", hint) from error


def _names(found: Found, original: dict[str, str]) -> list[tuple[str, str]]:
    if found.layout is Layout.DIFFUSERS:
        return [(found.prefix + name, name) for name in found.shapes]
    pairs = ((found.prefix + name, unet_shape.renamed(name, original)) for name in found.shapes)
    return [(theirs, ours) for theirs, ours in pairs if ours is not None]


def module_of(loaded: object) -> nn.Module:
    """The network inside a loaded part."""
    return cast("Any", loaded).module if hasattr(loaded, "module") else cast("Any", loaded).model


def network_aliases(module: nn.Module) -> dict[str, str]:
    """Other names of a U-Net's modules: those of the original layout. Empty for one of another build."""
    try:
        shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        return unet_shape.original_names(unet_shape.diffusers_shape(shapes))
    except (KeyError, ValueError):
        return {}


def text_aliases(module: nn.Module) -> dict[str, str]:
    """Other names of a text model's modules: files nest them in `text_model`, not all versions of its class do."""
    nested = any(name.startswith("text_model.") for name, _ in modules_in(module))
    return {} if nested else {"text_model.": ""}


def weights_needed(path: Path, part: Part, placement: Placement) -> int:
    """Bytes that a part will take; 0 where that cannot be told before it is loaded."""
    dtypes = {Part.VAE: placement.vae_dtype, Part.TEXT: placement.text_dtype}
    folders = {Part.NETWORK: "unet", Part.VAE: "vae", Part.CONTROL: ""}
    try:
        if part is Part.TEXT:
            shapes = [shape for found in text.text_shapes(path) for shape in found.shapes.values()]
        elif path.is_dir():
            shapes = list(folder_weights(path / folders[part]).shapes.values())
        else:
            shapes = list(find_part(path, part).shapes.values())
    except DiffusionError:
        return 0
    return sum(math.prod(shape) for shape in shapes) * dtypes.get(part, placement.dtype).itemsize
