"""Autoencoders of latent diffusion told from tensors: their size, and their names in the field's two layouts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nodes.diffusion.models.files import Shape

NORM_GROUPS = 32
ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


@dataclass(frozen=True, slots=True)
class VaeShape:
    """The size of an autoencoder: channels of each level, residual blocks of one, channels of its latents.

    Attributes:
        mixes: whether latents pass a 1x1 convolution on their way in and out (Stable Diffusion 1 to XL do, 3 and Flux not).
        attends: whether there is attention in the middle.
    """

    widths: tuple[int, ...]
    layers: int
    latent_channels: int
    mixes: bool = True
    attends: bool = True

    def settings(self) -> dict[str, Any]:
        """What diffusers' class needs to be told to make one."""
        levels = len(self.widths)
        return {
            "block_out_channels": self.widths,
            "layers_per_block": self.layers,
            "latent_channels": self.latent_channels,
            "down_block_types": ("DownEncoderBlock2D",) * levels,
            "up_block_types": ("UpDecoderBlock2D",) * levels,
            "norm_num_groups": NORM_GROUPS,
            "use_quant_conv": self.mixes,
            "use_post_quant_conv": self.mixes,
            "mid_block_add_attention": self.attends,
        }


def original_shape(shapes: Mapping[str, Shape]) -> VaeShape:
    """The size of one in the original layout.

    Raises:
        KeyError: tensors are missing that every one has.
    """
    return _shape(shapes, "encoder.down.{}.block.{}.conv1.weight", "decoder.mid.attn_1.q.weight")


def diffusers_shape(shapes: Mapping[str, Shape]) -> VaeShape:
    """The same of one in diffusers' layout."""
    pattern = "encoder.down_blocks.{}.resnets.{}.conv1.weight"
    return _shape(shapes, pattern, "decoder.mid_block.attentions.0.")


def original_names(shape: VaeShape) -> dict[str, str]:
    """Prefixes in the original layout, each with diffusers' for it; both end in a full stop."""
    names: dict[str, str] = {}
    levels = len(shape.widths)
    for half in ("encoder", "decoder"):
        names |= {f"{half}.norm_out.": f"{half}.conv_norm_out."}
        for block in (0, 1):
            names[f"{half}.mid.block_{block + 1}."] = f"{half}.mid_block.resnets.{block}."
        for ours, theirs in ATTENTION.items():
            names[f"{half}.mid.attn_1.{ours}."] = f"{half}.mid_block.attentions.0.{theirs}."
    for level in range(levels):
        up = levels - 1 - level
        for layer in range(shape.layers + 1):
            names[f"encoder.down.{level}.block.{layer}."] = f"encoder.down_blocks.{level}.resnets.{layer}."
            names[f"decoder.up.{level}.block.{layer}."] = f"decoder.up_blocks.{up}.resnets.{layer}."
        names[f"encoder.down.{level}.downsample."] = f"encoder.down_blocks.{level}.downsamplers.0."
        names[f"decoder.up.{level}.upsample."] = f"decoder.up_blocks.{up}.upsamplers.0."
    return names


def from_original(name: str, names: Mapping[str, str]) -> str:
    """Diffusers' name of a tensor; one that both call alike stays."""
    for prefix, ours in names.items():
        if name.startswith(prefix):
            name = ours + name.removeprefix(prefix)
            break
    return name.replace(".nin_shortcut.", ".conv_shortcut.")


def from_old(name: str) -> str:
    """Diffusers' present name of a tensor whose attention bears the names of its first years."""
    head, _, last = name.rpartition(".")
    stem, _, part = head.rpartition(".")
    return (
        f"{stem}.{OLD_ATTENTION[part]}.{last}" if ".attentions." in name and part in OLD_ATTENTION else name
    )


def flattened(name: str, tensor: Tensor) -> Tensor:
    """Attention's 1x1 convolutions as the linear layers that they are."""
    return tensor.flatten(1) if ".attentions." in name and tensor.ndim == 4 else tensor


def to_original(name: str, tensor: Tensor, shape: VaeShape) -> tuple[str, Tensor]:
    """A tensor of diffusers' layout under its name in the original one, where attention has 1x1 convolutions."""
    back = {ours: theirs for theirs, ours in original_names(shape).items()}
    old = name.replace(".conv_shortcut.", ".nin_shortcut.")
    prefix = max((ours for ours in back if old.startswith(ours)), key=len, default="")
    if prefix:
        old = back[prefix] + old.removeprefix(prefix)
    return old, tensor[..., None, None] if ".attn_1." in old and tensor.ndim == 2 else tensor


def _shape(shapes: Mapping[str, Shape], pattern: str, attention: str) -> VaeShape:
    widths: list[int] = []
    while (name := pattern.format(len(widths), 0)) in shapes:
        widths.append(shapes[name][0])
    layers = sum(pattern.format(0, layer) in shapes for layer in range(16))
    if not widths:
        raise KeyError(pattern.format(0, 0))
    return VaeShape(
        tuple(widths),
        layers,
        shapes["decoder.conv_in.weight"][1],
        mixes="post_quant_conv.weight" in shapes,
        attends=any(name.startswith(attention) for name in shapes),
    )
