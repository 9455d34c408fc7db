"""U-Nets told from tensors: how deep and wide one is, and what its tensors are called in the two layouts of the field.

The original layout is that of Rombach et al. 2022 (arXiv:2112.10752), `input_blocks.4.1...`; the other is diffusers',
`down_blocks.1.attentions.0...`. A tensor is renamed by its longest known prefix.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
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
        depths: transformer blocks behind each residual block of a level on the way down; 0 is no attention there.
        ups: the same on the way up, from the smallest level; empty for a control network, which has no such way.
        layers: residual blocks of a level on the way down.
        context: features of a token of its context.
        linear: whether attention is entered through a linear layer, not a convolution.
        middle: transformer blocks in the middle; 0 is a residual block alone, -1 nothing at all.
        crossed: of each level, whether its first attention reads the context too, not the latents.
        classes: how many numbers it can be told beside the timestep (a noise level); 0 is none.
    """

    in_channels: int
    out_channels: int
    widths: tuple[int, ...]
    depths: tuple[tuple[int, ...], ...]
    ups: tuple[tuple[int, ...], ...]
    layers: int
    context: int
    linear: bool
    middle: int = 1
    crossed: tuple[bool, ...] = ()
    classes: int = 0

    @property
    def told(self) -> str:
        """The module that reads a vector beside the text: sizes and pooled text where the first level has no attention."""
        return "class_embedding" if any(self.depths[0]) else "add_embedding"

    def settings(self) -> dict[str, Any]:
        """What diffusers' classes need to be told to make one."""
        wide = self.linear and not self.classes
        return {
            "in_channels": self.in_channels,
            "block_out_channels": self.widths,
            "layers_per_block": self.layers,
            "down_block_types": tuple(
                "CrossAttnDownBlock2D" if any(level) else "DownBlock2D" for level in self.depths
            ),
            "cross_attention_dim": self.context,
            "attention_head_dim": [max(1, width // HEAD_WIDTH) for width in self.widths]
            if wide
            else SD1_HEADS,
            "use_linear_projection": self.linear,
            "norm_num_groups": NORM_GROUPS,
            "only_cross_attention": self.crossed if any(self.crossed) else False,
            "num_class_embeds": self.classes or None,
            "transformer_layers_per_block": self._layers(),
            "mid_block_type": {0: "UNetMidBlock2D", -1: None}.get(self.middle, "UNetMidBlock2DCrossAttn"),
        }

    def unet_settings(self) -> dict[str, Any]:
        """`settings` with those that only a whole U-Net has."""
        types = tuple("CrossAttnUpBlock2D" if any(level) else "UpBlock2D" for level in self.ups)
        mirrored = tuple((level[0],) * (self.layers + 1) for level in reversed(self.depths))
        back = None if self.ups == mirrored else tuple(tuple(d or 1 for d in level) for level in self.ups)
        return self.settings() | {
            "out_channels": self.out_channels,
            "up_block_types": types,
            "reverse_transformer_layers_per_block": back,
        }

    def _layers(self) -> tuple[int | tuple[int, ...], ...]:
        """One number for each level, or one for each of its blocks; the last level's counts for the middle too."""
        last = self.depths[-1]
        if not any(last):
            last = (max(self.middle, 1),) * len(last)
        levels = (*self.depths[:-1], last)
        return tuple(
            level[0] or 1 if len(set(level)) == 1 else tuple(depth or 1 for depth in level)
            for level in levels
        )


def original_shape(shapes: Mapping[str, Shape]) -> UnetShape:
    """The size of a U-Net, or of the copy of its first half in a control network, in the original layout.

    Raises:
        KeyError: tensors are missing that every one has.
    """
    widths: list[int] = []
    depths: list[list[int]] = []
    crossed: list[bool] = []
    count = 1
    while (
        f"input_blocks.{count}.0.op.weight" in shapes
        or f"input_blocks.{count}.0.in_layers.2.weight" in shapes
    ):
        if f"input_blocks.{count}.0.op.weight" in shapes:
            depths.append([])
        else:
            depths = depths or [[]]
            if not depths[-1]:
                widths.append(shapes[f"input_blocks.{count}.0.out_layers.3.weight"][0])
                crossed.append(_crossed(shapes, f"input_blocks.{count}.1.", widths[-1]))
            depths[-1].append(_depth(shapes, f"input_blocks.{count}.1."))
        count += 1
    entry = shapes["input_blocks.0.0.weight"]
    layers = len(depths[0])
    outs = [
        _depth(shapes, f"output_blocks.{number}.1.")
        for number in range(len(depths) * (layers + 1))
        if "output_blocks.0.0.in_layers.2.weight" in shapes
    ]
    middle = _depth(shapes, "middle_block.1.")
    return UnetShape(
        in_channels=entry[1],
        out_channels=shapes["out.2.weight"][0] if "out.2.weight" in shapes else entry[1],
        widths=tuple(widths),
        depths=tuple(map(tuple, depths)),
        ups=_levels(outs, layers + 1),
        layers=layers,
        context=_first(shapes, ".attn2.to_k.weight")[1],
        linear=len(_first(shapes, "1.proj_in.weight")) == 2,
        middle=middle if middle or "middle_block.0.in_layers.2.weight" in shapes else -1,
        crossed=tuple(crossed),
        classes=shapes.get("label_emb.weight", (0,))[0],
    )


def diffusers_shape(shapes: Mapping[str, Shape]) -> UnetShape:
    """The same of one in diffusers' layout.

    Raises:
        KeyError: tensors are missing that every one has.
    """
    found = [int(hit.group(1)) for name in shapes if (hit := re.match(r"down_blocks\.(\d+)\.", name))]
    levels = 1 + max(found)
    layers = sum(f"down_blocks.0.resnets.{layer}.conv1.weight" in shapes for layer in range(16))
    entry = shapes["conv_in.weight"]
    widths = [shapes[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(levels)]
    whole = "up_blocks.0.resnets.0.conv1.weight" in shapes
    outs = [
        _depth(shapes, f"up_blocks.{level}.attentions.{layer}.")
        for level in range(levels if whole else 0)
        for layer in range(layers + 1)
    ]
    middle = _depth(shapes, "mid_block.attentions.0.")
    return UnetShape(
        in_channels=entry[1],
        out_channels=shapes["conv_out.weight"][0] if "conv_out.weight" in shapes else entry[1],
        widths=tuple(widths),
        depths=tuple(
            tuple(_depth(shapes, f"down_blocks.{level}.attentions.{layer}.") for layer in range(layers))
            for level in range(levels)
        ),
        ups=_levels(outs, layers + 1),
        layers=layers,
        context=_first(shapes, ".attn2.to_k.weight")[1],
        linear=len(_first(shapes, ".proj_in.weight")) == 2,
        middle=middle if middle or "mid_block.resnets.0.conv1.weight" in shapes else -1,
        crossed=tuple(
            _crossed(shapes, f"down_blocks.{level}.attentions.0.", width)
            for level, width in enumerate(widths)
        ),
        classes=shapes.get("class_embedding.weight", (0,))[0],
    )


def original_names(shape: UnetShape) -> dict[str, str]:
    """Prefixes of modules in the original layout, each with diffusers' prefix for it; both end in a full stop."""
    names = {
        "time_embed.0.": "time_embedding.linear_1.",
        "time_embed.2.": "time_embedding.linear_2.",
        "label_emb.": "class_embedding.",
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
    for level, depths in enumerate(shape.depths):
        for layer, depth in enumerate(depths):
            block = f"input_blocks.{1 + level * (shape.layers + 1) + layer}."
            yield f"{block}0.", f"down_blocks.{level}.resnets.{layer}."
            if depth:
                names[f"{block}1."] = f"down_blocks.{level}.attentions.{layer}."
        last = f"input_blocks.{(level + 1) * (shape.layers + 1)}.0.op."
        names[last] = f"down_blocks.{level}.downsamplers.0.conv."


def _up(shape: UnetShape, names: dict[str, str]) -> Iterator[tuple[str, str]]:
    for level, depths in enumerate(shape.ups):
        for layer, depth in enumerate(depths):
            block = f"output_blocks.{level * (shape.layers + 1) + layer}."
            yield f"{block}0.", f"up_blocks.{level}.resnets.{layer}."
            if depth:
                names[f"{block}1."] = f"up_blocks.{level}.attentions.{layer}."
            if layer == shape.layers:
                names[f"{block}{2 if depth else 1}.conv."] = f"up_blocks.{level}.upsamplers.0.conv."


def _depth(shapes: Mapping[str, Shape], attention: str) -> int:
    return sum(f"{attention}transformer_blocks.{depth}.attn1.to_q.weight" in shapes for depth in range(64))


def _crossed(shapes: Mapping[str, Shape], attention: str, width: int) -> bool:
    keys = shapes.get(f"{attention}transformer_blocks.0.attn1.to_k.weight")
    return keys is not None and keys[1] != width


def _levels(depths: Sequence[int], each: int) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(depths[start : start + each]) for start in range(0, len(depths), each))


def _first(shapes: Mapping[str, Shape], ending: str) -> Shape:
    """The shape of some tensor whose name ends so.

    Raises:
        KeyError: there is none.
    """
    for name, shape in shapes.items():
        if name.endswith(ending):
            return shape
    raise KeyError(ending)
