"""Loading: the parts of a checkpoint, from one file or from a model's folder, as networks ready to be asked."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.control import LoadedControl
from nodes.diffusion.denoiser import LatentFormat
from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable, DiffusionError, PartMissing
from nodes.diffusion.latent_formats import latent_format, latent_formats
from nodes.diffusion.models import scheduling, text, unet_shape
from nodes.diffusion.models.autoencoders import kind_of
from nodes.diffusion.models.build import fill, known_settings, modules_in, unfilled
from nodes.diffusion.models.detect import (
    Found,
    Layout,
    Part,
    family_of,
    find_part,
    network_folder,
    vae_folder,
)
from nodes.diffusion.models.families.unets import told_settings
from nodes.diffusion.models.family import Family, Place, translated
from nodes.diffusion.models.files import Shape, WeightFile, folder_weights, read_json, stored_types
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.scheduling import Training
from nodes.diffusion.models.stored import narrow, widen_in_use
from nodes.diffusion.models.text import TextStack
from nodes.diffusion.preview import with_fitted_map, with_stored_map
from nodes.diffusion.vae import VaeCoder

Sized = TypeVar("Sized")

SD1_WIDTHS = (128, 256, 512, 512)
CLASSES = (
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "nodes.diffusion.models.clip",
)
KINDS = "task_embedding"
STAGE_A, STAGE_A_PIXELS = "vqgan", 4  # Stable Cascade's autoencoder in a folder; of a latent of stage B
UNION = ("transformer_layes.", "spatial_ch_projs.", "control_add_embedding.", KINDS)
VARIANT = "It is a variant that Weft does not know, or it is cut short."
LOADERS = {
    Part.NETWORK: "CheckpointLoaderSimple",
    Part.TEXT: "CheckpointLoaderSimple",
    Part.VAE: "VAELoader",
    Part.CONTROL: "ControlNetLoader",
    Part.VISION: "CLIPVisionLoader",
    Part.STYLE: "StyleModelLoader",
    Part.GLIGEN: "GLIGENLoader",
    Part.UPSCALER: "UpscaleModelLoader",
    Part.IMAGE_PROMPTS: "WeftIPAdapterLoader",
    Part.HYPERNETWORK: "HypernetworkLoader",
    Part.AUDIO: "AudioEncoderLoader",
    Part.DEPTH: "WeftDepthMap",
    Part.POSE: "WeftPoseMap",
    Part.PHOTOMAKER: "PhotoMakerLoader",
    Part.STYLE_TOKENS: "ModelPatchLoader",
}


@dataclass(frozen=True, slots=True)
class Placement:
    """Where networks live and compute.

    Attributes:
        dtype: of U-Nets and control networks; `vae_dtype` of autoencoders, which overflow in half precision;
            `text_dtype` of text models, small enough to be exact.
        stored: of the large weights of U-Nets and transformers, where they are kept in fewer bits than they compute in.
        as_stored: denoising networks keep the types of their file, for who casts their weights as they are used.
    """

    device: torch.device
    dtype: torch.dtype
    vae_dtype: torch.dtype
    text_dtype: torch.dtype = torch.float32
    stored: torch.dtype | None = None
    as_stored: bool = False


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


def load_network(path: Path, placement: Placement) -> LoadedNetwork:
    """The denoising network of a checkpoint, a model's folder, or a file of its own.

    Raises:
        DiffusionError: the file is missing, damaged, of an unknown family, or holds none.
    """
    if path.is_dir():
        return _network_of_folder(path, placement)
    found = find_part(path, Part.NETWORK)
    family = found.family
    assert family is not None
    places = {place.ours: place for place in found.places}
    shapes = translated(found.shapes, found.places) if places else found.shapes
    settings = _measured(found, family.settings, shapes)
    names = (
        [(found.prefix + place.theirs, place.ours) for place in found.places]
        if places
        else [(found.prefix + name, name) for name in shapes]
    )
    weights = _brought(found.weights, names, placement)
    module = unfilled(lambda: family.class_of()(**settings), path)
    _fill_network(
        module,
        weights,
        names,
        placement,
        lambda ours, tensor: places[ours].read(tensor) if ours in places else tensor,
    )
    training = family.trained(shapes, found.weights)
    form = latent_format(training.latents or family.latents)
    return _network(family, module, training, form, placement)


def _network_of_folder(path: Path, placement: Placement) -> LoadedNetwork:
    folder = path if (path / "config.json").is_file() else path / (network_folder(path) or "unet")
    source = _folder(folder.parent, folder.name, Part.NETWORK)
    said = read_json(folder / "config.json")
    family = family_of(said)
    if family is None:
        raise CheckpointUnknown(
            path, "a model that Weft knows", f"its network is a {said.get('_class_name')}"
        )
    settings = known_settings(family.class_of(), said, folder)
    names = [(name, name) for name in source.shapes]
    weights = _brought(source, names, placement)
    module = unfilled(lambda: family.class_of()(**settings), path)
    _fill_network(module, weights, names, placement)
    scheduled = family.folder == "unet"
    training = scheduling.of_folder(path) if scheduled else family.trained(source.shapes, source)
    form = _latent_format(path, placement, family)
    return _network(family, module, training, form, placement)


def _brought(source: WeightFile, names: list[tuple[str, str]], placement: Placement) -> WeightFile:
    """A network's file, read while the network is built; not where its weights wait in it for want of memory."""
    if placement.device.type == "meta" or placement.as_stored:
        return source
    return source.brought({theirs for theirs, _ in names})


def _fill_network(
    module: nn.Module,
    source: WeightFile,
    names: list[tuple[str, str]],
    placement: Placement,
    change: Callable[[str, Tensor], Tensor] = lambda _name, tensor: tensor,
) -> None:
    kept = None if placement.stored is None else narrow(module, placement.stored)
    types = stored_types(source, names) if placement.as_stored else kept
    waits = placement.as_stored
    fill(module, source, names, placement.device, placement.dtype, change, types, waits=waits)
    if kept is not None:
        widen_in_use(module)


def _network(
    family: Family, module: nn.Module, training: Training, form: LatentFormat, placement: Placement
) -> LoadedNetwork:
    joined = family.channels(cast("Any", module).config) - form.channels
    return LoadedNetwork(
        module,
        family,
        training.parametrisation,
        training.levels,
        replace(form, joined=joined),
        placement.device,
        placement.dtype,
        original_places(family, module),
        seen=training.seen,
    )


def original_places(family: Family, module: nn.Module) -> Sequence[Place]:
    """Where a network's tensors lie in files of the original layout; none where its build is of no such layout."""
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    try:
        return family.places(shapes)
    except (KeyError, ValueError):
        return ()


def load_vae(path: Path, placement: Placement) -> VaeCoder:
    """The autoencoder of a checkpoint, or of a file of its own. Errors as `load_network`."""
    if path.is_dir():
        folder = path if (path / "config.json").is_file() else path / vae_folder(path)
        source = _folder(folder.parent, folder.name, Part.VAE)
        said = read_json(folder / "config.json")
        made_by, prefix, shapes, original = said.get("_class_name"), "", source.shapes, False
        kind = kind_of(shapes, made_by)
        settings = known_settings(kind.class_of(made_by), said, folder)
    else:
        found = find_part(path, Part.VAE)
        source, prefix, shapes = found.weights, found.prefix, found.shapes
        kind, made_by, original = kind_of(shapes), None, found.layout is Layout.ORIGINAL
        settings = _measured(found, lambda sizes: kind.settings(sizes, original), shapes)
    named = kind.name(shapes, original)
    module = unfilled(lambda: kind.class_of(made_by)(**settings), path)
    names = [(prefix + name, named(name)) for name in shapes]
    fill(module, source, names, placement.device, placement.vae_dtype, kind.change)
    config = cast("Any", module).config
    pixels, channels = kind.pixels(config), kind.channels(config)
    return VaeCoder(module, pixels, channels, placement.device, placement.vae_dtype, kind.coding)


def load_text(path: Path, placement: Placement) -> TextStack:
    """The text encoders of a checkpoint, a folder, or a file of their own. Errors as `load_network`."""
    return text.load_text(path, placement.device, placement.text_dtype, placement.vae_dtype)


def load_control(path: Path, placement: Placement, *, pools: bool = False) -> LoadedControl:
    """A control network from a file of its own or a folder of diffusers. Errors as `load_network`."""
    from diffusers.models.controlnets.controlnet import ControlNetModel
    from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel

    made = ControlNetModel
    if path.is_dir():
        source = _folder(path.parent, path.name, Part.CONTROL)
        made = ControlNetUnionModel if KINDS in source.shapes else made
        settings = known_settings(made, read_json(path / "config.json"), path)
        names = [(name, name) for name in source.shapes]
    else:
        found = find_part(path, Part.CONTROL)
        source = found.weights
        measure = unet_shape.original_shape if found.layout is Layout.ORIGINAL else unet_shape.diffusers_shape
        shape = _measured(found, measure, found.shapes)
        names = _names(found, unet_shape.control_names(shape))
        shapes = {ours: source.shapes[theirs] for theirs, ours in names}
        settings = {**shape.settings(), **told_settings(shapes)}
        if KINDS in source.shapes:
            made, names = ControlNetUnionModel, [*names, *((name, name) for name in _union(source))]
            settings = known_settings(made, settings | _union_settings(source), path)
    module = unfilled(lambda: made(**settings), path)
    fill(module, source, names, placement.device, placement.dtype)
    return LoadedControl(module, placement.device, placement.dtype, pools)


def _union(source: WeightFile) -> list[str]:
    """Tensors that a union of control networks has beside those of one."""
    return [name for name in source.shapes if name.startswith(UNION)]


def _union_settings(source: WeightFile) -> dict[str, Any]:
    kinds, channels = source.shapes[KINDS]
    layers = {name.split(".")[1] for name in source.shapes if name.startswith(UNION[0])}
    return {
        "num_control_type": kinds,
        "num_trans_channel": channels,
        "num_trans_layer": len(layers),
        "num_proj_channel": source.shapes["spatial_ch_projs.weight"][0],
    }


def _latent_format(path: Path, placement: Placement, family: Family) -> LatentFormat:
    """A folder says its own scale, and a map for previews is found for it; one of the usual scale is its family's."""
    usual = latent_format(family.latents)
    if (path / STAGE_A / "config.json").is_file():
        told = float(read_json(path / STAGE_A / "config.json").get("scale_factor") or 1 / usual.scale)
        return replace(usual, scale=1 / told) if usual.pixels == STAGE_A_PIXELS else usual
    if not (path / "vae" / "config.json").is_file():
        return usual
    said = read_json(path / "vae" / "config.json")
    widths, scale = tuple(said.get("block_out_channels", ())), said.get("scaling_factor", usual.scale)
    if family.folder != "unet":
        return _of_scale(usual, scale)
    if widths == SD1_WIDTHS and scale == usual.scale:
        return usual
    form = LatentFormat(
        channels=int(said.get("latent_channels", 4)),
        scale=float(scale),
        shift=float(said.get("shift_factor") or 0.0),
        pixels=2 ** (len(widths) - 1),
    )
    stored = with_stored_map(form, path / "preview.json")
    if placement.device.type == "meta":  # without numbers there is nothing to fit a map to
        return stored or form
    return stored if stored is not None else with_fitted_map(form, load_vae(path, placement))


def _of_scale(usual: LatentFormat, scale: float) -> LatentFormat:
    """The format of that scale among those of as many channels; the family's own, where none is known."""
    forms = (usual, *latent_formats().values())
    alike = (
        form
        for form in forms
        if (form.channels, form.axes, form.pixels) == (usual.channels, usual.axes, usual.pixels)
    )
    return next((form for form in alike if form.scale == scale), usual)


def _folder(path: Path, name: str, part: Part) -> WeightFile:
    if not (path / name / "config.json").is_file():
        raise PartMissing(path, part.value, LOADERS[part])
    return folder_weights(path / name)


def _measured(found: Found, measure: Callable[[Any], Sized | None], shapes: Mapping[str, Shape]) -> Sized:
    try:
        size = measure(shapes)
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointUnreadable(found.weights.path, f"it lacks the tensor {error}", VARIANT) from error
    if size is None:
        raise CheckpointUnreadable(found.weights.path, "its size cannot be told", VARIANT)
    return size


def _names(found: Found, original: dict[str, str]) -> list[tuple[str, str]]:
    if found.layout is Layout.DIFFUSERS:
        return [(found.prefix + name, name) for name in found.shapes]
    pairs = ((found.prefix + name, unet_shape.renamed(name, original)) for name in found.shapes)
    return [(theirs, ours) for theirs, ours in pairs if ours is not None]


def module_of(loaded: object) -> nn.Module:
    """The network inside a loaded part."""
    return cast("Any", loaded).module if hasattr(loaded, "module") else cast("Any", loaded).model


def text_aliases(module: nn.Module) -> dict[str, str]:
    """Other names of a text model's modules: files nest them in `text_model`, not all versions of its class do."""
    nested = any(name.startswith("text_model.") for name, _ in modules_in(module))
    return {} if nested else {"text_model.": ""}


def weights_needed(path: Path, part: Part, placement: Placement) -> int:
    """Bytes that a part will take; 0 where that cannot be told before it is loaded."""
    dtypes = {Part.VAE: placement.vae_dtype, Part.TEXT: placement.text_dtype}
    folders = {Part.NETWORK: network_folder(path) or "", Part.VAE: vae_folder(path), Part.CONTROL: ""}
    try:
        if part is Part.TEXT:
            shapes = [shape for found in text.text_shapes(path) for shape in found.shapes.values()]
        elif path.is_dir():
            shapes = list(folder_weights(path / folders[part]).shapes.values())
        else:
            shapes = list(find_part(path, part).shapes.values())
    except DiffusionError:
        return 0
    if part is Part.NETWORK and placement.stored is not None:  # large weights alone are kept so
        each = (placement.stored if len(shape) in (2, 4) else placement.dtype for shape in shapes)
        return sum(math.prod(shape) * one.itemsize for shape, one in zip(shapes, each, strict=True))
    return sum(math.prod(shape) for shape in shapes) * dtypes.get(part, placement.dtype).itemsize
