"""Kinds of autoencoders as rows: what each is recognised by, its class, its size from tensors, its names in files."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from torch import Tensor, nn

from nodes.diffusion.models import vae_shape
from nodes.diffusion.models.files import Shape
from nodes.diffusion.vae_codings import NORMAL_VIDEOS, PATCHES, PICTURES, SOUNDS, STAGE_A, VIDEOS, Coding

Shapes = Mapping[str, Shape]
BN = "bn.running_mean"
LTX = "latents_mean"
OOBLECK = "encoder.block.0.res_unit1.conv1.weight_v"
WAN = "decoder.middle.0.residual.0.gamma"
WAN_HERE = "decoder.mid_block.resnets.0.norm1.gamma"
WAN_PARTS = {
    "residual.0.": "norm1.",
    "residual.2.": "conv1.",
    "residual.3.": "norm2.",
    "residual.6.": "conv2.",
    "shortcut.": "conv_shortcut.",
}
WAN_LAYERS = 2  # residual blocks of a level going down; one more going up, and then what makes it larger
WAN_LEVELS = 4
PLANES = 3  # of a picture; Wan 2.2 reads those of several pixels as one
CODES = ("vquantizer.codebook.weight", "vquantizer.embedding.weight")  # in the file, in the network
STAGE_A_SCALE = 2  # pixels on a side that its first layer reads as one


@dataclass(frozen=True, slots=True)
class VaeKind:
    """One kind of autoencoder.

    Attributes:
        made_by: the classes that diffusers has for it, "module:Class"; the first is used where a file tells none.
        knows: whether tensors of these names are of it; the first kind that says so is taken.
        settings: of the class, from a file's shapes; `original`: in the original layout. KeyError where tensors are missing.
        name: diffusers' name of a tensor, for the file's; made from the file's shapes.
        change: what becomes of a tensor on its way, by diffusers' name.
        pixels, channels: side of the square of picture, or samples of sound, that a latent stands for, and its channels,
            from the class's config.
    """

    made_by: tuple[str, ...]
    knows: Callable[[Shapes], bool]
    settings: Callable[[Shapes, bool], dict[str, Any]]
    name: Callable[[Shapes, bool], Callable[[str], str]]
    coding: Coding
    pixels: Callable[[Any], int]
    channels: Callable[[Any], int]
    change: Callable[[str, Tensor], Tensor] = vae_shape.flattened

    def class_of(self, name: str | None = None) -> Callable[..., nn.Module]:
        """The class of a name; the usual one without."""
        made_by = next((made for made in self.made_by if made.endswith(f":{name}")), self.made_by[0])
        module, _, found = made_by.partition(":")
        return cast("Callable[..., nn.Module]", getattr(import_module(module), found))


def kind_of(shapes: Shapes, made_by: str | None = None) -> VaeKind:
    """The kind of an autoencoder, by the class that a folder names or else by its tensors."""
    for kind in KINDS:
        if made_by is not None and any(made.endswith(f":{made_by}") for made in kind.made_by):
            return kind
    return next(kind for kind in KINDS if kind.knows(shapes))


def _ldm_settings(shapes: Shapes, original: bool) -> dict[str, Any]:
    return (vae_shape.original_shape if original else vae_shape.diffusers_shape)(shapes).settings()


def _ldm_name(shapes: Shapes, original: bool) -> Callable[[str], str]:
    if not original:
        return vae_shape.from_old
    names = vae_shape.original_names(vae_shape.original_shape(shapes))
    return lambda name: vae_shape.from_original(name, names)


def _flux2_settings(shapes: Shapes, original: bool) -> dict[str, Any]:
    said = _ldm_settings(shapes, original)
    inside = "decoder.post_quant_conv.weight" in shapes
    here = (
        "decoder.conv_in.weight",
        "decoder.up.0.block.0.conv1.weight",
        "decoder.up_blocks.3.resnets.0.conv1.weight",
    )
    mixes = inside or bool(said["use_post_quant_conv"])
    narrow = next((shapes[name][0] for name in here[1:] if name in shapes), said["block_out_channels"][0])
    widths = tuple(narrow * width // said["block_out_channels"][0] for width in said["block_out_channels"])
    own = None if widths == tuple(said["block_out_channels"]) else widths
    return {
        **said,
        "use_quant_conv": mixes,
        "use_post_quant_conv": mixes,
        "decoder_block_out_channels": own,
    }


def _flux2_name(shapes: Shapes, original: bool) -> Callable[[str], str]:
    """Its 1x1 convolutions are within its halves in the file."""
    usual = _ldm_name(shapes, original)
    moved = {"encoder.quant_conv.": "quant_conv.", "decoder.post_quant_conv.": "post_quant_conv."}

    def named(name: str) -> str:
        for theirs, ours in moved.items():
            if name.startswith(theirs):
                return ours + name.removeprefix(theirs)
        return usual(name)

    return named


def _wan_settings(shapes: Shapes, original: bool) -> dict[str, Any]:
    first, last = (
        ("encoder.conv1.weight", "conv2.weight")
        if original
        else ("encoder.conv_in.weight", "post_quant_conv.weight")
    )
    width, colours = shapes[first][:2]
    said = {"base_dim": width, "z_dim": shapes[last][0]}
    if colours == PLANES:
        return said
    before = "decoder.head.0.gamma" if original else "decoder.norm_out.gamma"
    patch = math.isqrt(colours // PLANES)
    return {
        **said,
        "decoder_base_dim": shapes[before][0],
        "is_residual": True,
        "in_channels": colours,
        "out_channels": colours,
        "patch_size": patch,
        "scale_factor_spatial": 8 * patch,
    }


def _wan_name(_shapes: Shapes, original: bool) -> Callable[[str], str]:
    return _wan_here if original else lambda name: name


def _wan_here(name: str) -> str:
    """Diffusers' name of a tensor of Wan's or Qwen-Image's autoencoder; that of Wan 2.2 has its layers in levels."""
    for theirs, ours in (("conv1.", "quant_conv."), ("conv2.", "post_quant_conv.")):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    half, _, rest = name.partition(".")
    part, _, inner = rest.partition(".")
    number, _, last = inner.partition(".")
    if last.startswith(f"{part}."):
        place, _, inside = last.removeprefix(f"{part}.").partition(".")
        level = f"{half}.{'down_blocks' if part == 'downsamples' else 'up_blocks'}.{number}"
        resized = inside.startswith(("resample.", "time_conv."))
        layer = f"{part.removesuffix('s')}r" if resized else f"resnets.{place}"
        return f"{level}.{layer}.{_wan_part(inside)}"
    last = _wan_part(last)
    match part:
        case "conv1":
            return f"{half}.conv_in.{inner}"
        case "head":
            return f"{half}.{'norm_out' if number == '0' else 'conv_out'}.{last}"
        case "middle":
            place = "attentions.0" if number == "1" else f"resnets.{int(number) // 2}"
            return f"{half}.mid_block.{place}.{last}"
        case "downsamples":
            return f"{half}.down_blocks.{number}.{last}"
        case "upsamples":
            level, place = divmod(int(number), WAN_LAYERS + 2)
            inside = f"resnets.{place}" if place <= WAN_LAYERS else "upsamplers.0"
            return f"{half}.up_blocks.{level}.{inside}.{last}"
        case _:
            return name


def _stage_a_settings(shapes: Shapes, _original: bool) -> dict[str, Any]:
    """Of a `PaellaVQModel`: widths double from level to level, the last has most of the blocks going up."""
    last, latents = shapes["up_blocks.0.0.weight"][:2]
    first, colours = shapes["in_block.1.weight"][:2]
    levels = (last // first).bit_length()
    ups = 1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("up_blocks."))
    return {
        "levels": levels,
        "bottleneck_blocks": ups - 1 - 2 * (levels - 1),
        "embed_dim": last,
        "latent_channels": latents,
        "in_channels": colours // STAGE_A_SCALE**2,
        "up_down_scale_factor": STAGE_A_SCALE,
        "num_vq_embeddings": next(shapes[name][0] for name in CODES if name in shapes),
    }


def _stage_a_name(_shapes: Shapes, _original: bool) -> Callable[[str], str]:
    return lambda name: name.replace(CODES[0], CODES[1])


def _of_folder(_shapes: Shapes, _original: bool) -> dict[str, Any]:
    """Its folder alone says all that its class is told."""
    raise KeyError("config.json")


def _wan_part(name: str) -> str:
    theirs = next((part for part in WAN_PARTS if name.startswith(part)), "")
    return WAN_PARTS.get(theirs, "") + name.removeprefix(theirs)


def _levels(config: Any) -> int:
    return 2 ** (len(config.block_out_channels) - 1)


_AT = "diffusers.models.autoencoders."
KINDS = (
    VaeKind(
        made_by=(_AT + "autoencoder_oobleck:AutoencoderOobleck",),
        knows=lambda shapes: OOBLECK in shapes,
        settings=_of_folder,
        name=lambda _shapes, _original: lambda name: name,
        coding=SOUNDS,
        pixels=lambda config: math.prod(config.downsampling_ratios),
        channels=lambda config: int(config.decoder_input_channels),
        change=lambda _name, tensor: tensor,
    ),
    VaeKind(
        made_by=(_AT + "autoencoder_kl_ltx:AutoencoderKLLTXVideo",),
        knows=lambda shapes: LTX in shapes,
        settings=_of_folder,
        name=lambda _shapes, _original: lambda name: name,
        coding=NORMAL_VIDEOS,
        pixels=lambda config: config.patch_size * 2 ** sum(config.spatio_temporal_scaling),
        channels=lambda config: int(config.latent_channels),
        change=lambda _name, tensor: tensor,
    ),
    VaeKind(
        made_by=(
            _AT + "autoencoder_kl_wan:AutoencoderKLWan",
            _AT + "autoencoder_kl_qwenimage:AutoencoderKLQwenImage",
        ),
        knows=lambda shapes: WAN in shapes or WAN_HERE in shapes,
        settings=_wan_settings,
        name=_wan_name,
        coding=VIDEOS,
        pixels=lambda config: 2 ** len(config.temperal_downsample) * (getattr(config, "patch_size", 0) or 1),
        channels=lambda config: int(config.z_dim),
        change=lambda _name, tensor: tensor,
    ),
    VaeKind(
        made_by=("diffusers.pipelines.deprecated.wuerstchen.modeling_paella_vq_model:PaellaVQModel",),
        knows=lambda shapes: any(name in shapes for name in CODES),
        settings=_stage_a_settings,
        name=_stage_a_name,
        coding=STAGE_A,
        pixels=lambda config: config.up_down_scale_factor * 2 ** (config.levels - 1),
        channels=lambda config: int(config.latent_channels),
        change=lambda _name, tensor: tensor,
    ),
    VaeKind(
        made_by=(_AT + "autoencoder_kl_flux2:AutoencoderKLFlux2",),
        knows=lambda shapes: BN in shapes,
        settings=_flux2_settings,
        name=_flux2_name,
        coding=PATCHES,
        pixels=lambda config: 2 * _levels(config),
        channels=lambda config: 4 * int(config.latent_channels),
    ),
    VaeKind(
        made_by=(_AT + "autoencoder_kl:AutoencoderKL",),
        knows=lambda _shapes: True,
        settings=_ldm_settings,
        name=_ldm_name,
        coding=PICTURES,
        pixels=_levels,
        channels=lambda config: int(config.latent_channels),
    ),
)
