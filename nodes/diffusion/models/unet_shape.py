"""U-Nets told from tensors: how deep and wide one is, and what its tensors are called in the two layouts of the field.

The original layout is that of Rombach et al. 2022 (arXiv:2112.10752), `input_blocks.4.1...`; the other is diffusers',
`down_blocks.1.attentions.0...`. A tensor is renamed by its longest known prefix.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nodes.diffusion.models.files import Shape

SD1_HEADS = 8
HEAD_WIDTH = 64  # of the families whose heads have one width at every level
NORM_GROUPS = 32

RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}


@dataclass(frozen=True, slots=True)
class UnetShape:
    """The size of a U-Net.

    Attributes:
        widths: channels of each level, from the picture's size down.
        depths: transformer blocks in each attention of a level; 0 is no attention there.
        layers: residual blocks of a level on the way down.
        context: features of a token of its context.
        linear: whether attention is entered through a linear layer, not a convolution.
        middle: transformer blocks in the attention of the middle.
    """

    in_channels: int
    out_channels: int
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    layers: int
    context: int
    linear: bool
    middle: int = 1

    @property
    def told(self) -> str:
        """The module that reads a vector beside the text: sizes and pooled text where the first level has no attention."""
        return "class_embedding" if self.depths[0] else "add_embedding"

    def settings(self) -> dict[str, Any]:
        """What diffusers' classes need to be told to make one."""
        heads = [max(1, width // HEAD_WIDTH) for width in self.widths] if self.linear else SD1_HEADS
        depths = (*(depth or 1 for depth in self.depths[:-1]), self.depths[-1] or self.middle)
        return {
            "in_channels": self.in_channels,
            "block_out_channels": self.widths,
            "layers_per_block": self.layers,
            "down_block_types": tuple("CrossAttnDownBlock2D" if d else "DownBlock2D" for d in self.depths),
            "transformer_layers_per_block": depths,
            "cross_attention_dim": self.context,
            "attention_head_dim": heads,
            "use_linear_projection": self.linear,
            "norm_num_groups": NORM_GROUPS,
        }

    def unet_settings(self) -> dict[str, Any]:
        """`settings` with those that only a whole U-Net has."""
        ups = tuple("CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(self.depths))
        return self.settings() | {"out_channels": self.out_channels, "up_block_types": ups}


def original_shape(shapes: Mapping[str, Shape]) -> UnetShape:
    """The size of a U-Net, or of the copy of its first half in a control network, in the original layout.

    Raises:
        KeyError: tensors are missing that every one has.
    """
    widths: list[int] = []
    depths: list[int] = []
    count, layers, level = 1, 0, 0
    while (
        f"input_blocks.{count}.0.op.weight" in shapes
        or f"input_blocks.{count}.0.in_layers.2.weight" in shapes
    ):
        if f"input_blocks.{count}.0.op.weight" in shapes:
            level += 1
        else:
            width = shapes[f"input_blocks.{count}.0.out_layers.3.weight"][0]
            if level == len(widths):
                widths.append(width)
                depths.append(_depth(shapes, f"input_blocks.{count}.1."))
            layers += level == 0
        count += 1
    entry = shapes["input_blocks.0.0.weight"]
    attention = "middle_block.1."
    return UnetShape(
        in_channels=entry[1],
        out_channels=shapes["out.2.weight"][0] if "out.2.weight" in shapes else entry[1],
        widths=tuple(widths),
        depths=tuple(depths),
        layers=layers,
        context=shapes[f"{attention}transformer_blocks.0.attn2.to_k.weight"][1],
        linear=len(shapes[f"{attention}proj_in.weight"]) == 2,
        middle=_depth(shapes, attention),
    )


def diffusers_shape(shapes: Mapping[str, Shape]) -> UnetShape:
    """The same of one in diffusers' layout.

    Raises:
        KeyError: tensors are missing that every one has.
    """
    levels = 1 + max(
        int(found.group(1)) for name in shapes if (found := re.match(r"down_blocks\.(\d+)\.", name))
    )
    layers = sum(f"down_blocks.0.resnets.{layer}.conv1.weight" in shapes for layer in range(16))
    entry, attention = shapes["conv_in.weight"], "mid_block.attentions.0."
    return UnetShape(
        in_channels=entry[1],
        out_channels=shapes["conv_out.weight"][0] if "conv_out.weight" in shapes else entry[1],
        widths=tuple(shapes[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(levels)),
        depths=tuple(_depth(shapes, f"down_blocks.{level}.attentions.0.") for level in range(levels)),
        layers=layers,
        context=shapes[f"{attention}transformer_blocks.0.attn2.to_k.weight"][1],
        linear=len(shapes[f"{attention}proj_in.weight"]) == 2,
        middle=_depth(shapes, attention),
    )


def original_names(shape: UnetShape) -> dict[str, str]:
    """Prefixes of modules in the original layout, each with diffusers' prefix for it; both end in a full stop."""
    names = {
        "time_embed.0.": "time_embedding.linear_1.",
        "time_embed.2.": "time_embedding.linear_2.",
        "label_emb.0.0.": f"{shape.told}.linear_1.",
        "label_emb.0.2.": f"{shape.told}.linear_2.",
        "input_blocks.0.0.": "conv_in.",
        "middle_block.1.": "mid_block.attentions.0.",
        "out.0.": "conv_norm_out.",
        "out.2.": "conv_out.",
    }
    pairs = [("middle_block.0.", "mid_block.resnets.0."), ("middle_block.2.", "mid_block.resnets.1.")]
    pairs += [*_down(shape, names), *_up(shape, names)]
    for old, new in pairs:
        names |= {f"{old}{ours}.": f"{new}{theirs}." for ours, theirs in RESIDUAL.items()}
    return names


def control_names(shape: UnetShape) -> dict[str, str]:
    """The same for a control network (Zhang et al. 2023, arXiv:2302.05543): its own layers and the U-Net's first half."""
    names = original_names(shape)
    count = len(shape.widths) * (shape.layers + 1)
    names |= {f"zero_convs.{index}.0.": f"controlnet_down_blocks.{index}." for index in range(count)}
    names["middle_block_out.0."] = "controlnet_mid_block."
    hint = "controlnet_cond_embedding."
    names |= {"input_hint_block.0.": f"{hint}conv_in.", "input_hint_block.14.": f"{hint}conv_out."}
    names |= {f"input_hint_block.{2 * index + 2}.": f"{hint}blocks.{index}." for index in range(6)}
    return names


def renamed(name: str, names: Mapping[str, str]) -> str | None:
    """A tensor's name in the other layout; None where no prefix of it is known."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        prefix = ".".join(parts[:length]) + "."
        if prefix in names:
            return names[prefix] + ".".join(parts[length:])
    return None


def _down(shape: UnetShape, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for level, depth in enumerate(shape.depths):
        for layer in range(shape.layers):
            block = f"input_blocks.{1 + level * (shape.layers + 1) + layer}."
            yield f"{block}0.", f"down_blocks.{level}.resnets.{layer}."
            if depth:
                names[f"{block}1."] = f"down_blocks.{level}.attentions.{layer}."
        last = f"input_blocks.{(level + 1) * (shape.layers + 1)}.0.op."
        names[last] = f"down_blocks.{level}.downsamplers.0.conv."


def _up(shape: UnetShape, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for level, depth in enumerate(reversed(shape.depths)):
        for layer in range(shape.layers + 1):
            block = f"output_blocks.{level * (shape.layers + 1) + layer}."
            yield f"{block}0.", f"up_blocks.{level}.resnets.{layer}."
            if depth:
                names[f"{block}1."] = f"up_blocks.{level}.attentions.{layer}."
            if layer == shape.layers:
                names[f"{block}{2 if depth else 1}.conv."] = f"up_blocks.{level}.upsamplers.0.conv."


def _depth(shapes: Mapping[str, Shape], attention: str) -> int:
    return sum(f"{attention}transformer_blocks.{depth}.attn1.to_q.weight" in shapes for depth in range(64))
