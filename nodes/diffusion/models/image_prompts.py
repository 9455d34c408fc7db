"""IP-Adapters: pictures as further tokens of a prompt, with keys and values of their own in a U-Net's attention.

Source: Ye et al. 2023 (IP-Adapter, arXiv:2308.06721), eqs. 4 and 5, in the layouts in which its authors published it:
plain, "plus" (a resampler) and "full" (two layers over all of the vision model's tokens), for each family of U-Nets.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.changes import Place, Way
from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.changing import attentions
from nodes.diffusion.models.files import AGAIN, Shape, WeightFile, open_weights
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.text_files import count
from nodes.diffusion.vision_values import ClipVisionOutput, Tokens

READER, LAYERS = "image_proj.", "ip_adapter."
PAIR = re.compile(re.escape(LAYERS) + r"(\d+)\.to_([kv])_ip\.weight")
HEAD_WIDTH = 64  # of the resampler's attention
PUBLISHED = (Way.INPUT, Way.OUTPUT, Way.MIDDLE)  # the order in which files number attentions


class Reads(Enum):
    """What an adapter reads of what a vision model saw."""

    WHOLE = "the picture's vector"
    TOKENS = "tokens of the layer before the last"


class Plain(nn.Module):
    """A picture's vector to a few tokens."""

    def __init__(self, width: int, made: int, tokens: int) -> None:
        super().__init__()
        self.proj, self.norm = nn.Linear(width, made * tokens), nn.LayerNorm(made)

    def forward(self, seen: Tensor) -> Tensor:
        """Float[batch feature] to Float[batch token feature]."""
        return self.norm(self.proj(seen).unflatten(-1, (-1, self.norm.normalized_shape[0])))


class Full(nn.Module):
    """Each token of the vision model to one of the prompt's."""

    def __init__(self, width: int, inner: int, made: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, made), nn.LayerNorm(made)
        )

    def forward(self, seen: Tensor) -> Tensor:
        """Float[batch token feature] to the same of another width."""
        return self.proj(seen)


class Looking(nn.Module):
    """Attention of learned tokens to a picture's and to themselves."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, seen: Tensor, tokens: Tensor) -> Tensor:
        """What is added to the tokens, Float[batch token feature]."""
        asking = self.norm2(tokens)
        keys, values = self.to_kv(torch.cat((self.norm1(seen), asking), 1)).chunk(2, -1)
        heads = [
            part.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2) for part in (self.to_q(asking), keys, values)
        ]
        return self.to_out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))


class Resampler(nn.Module):
    """Learned tokens that look at a picture's, layer by layer (Jaegle et al. 2021, Perceiver, arXiv:2103.03206)."""

    def __init__(self, tokens: int, widths: tuple[int, int, int], inner: tuple[int, int], depth: int) -> None:
        super().__init__()
        seen, width, made = widths
        self.latents = nn.Parameter(torch.empty(1, tokens, width))
        self.proj_in, self.proj_out = nn.Linear(seen, width), nn.Linear(width, made)
        self.norm_out = nn.LayerNorm(made)
        self.layers = nn.ModuleList(
            nn.ModuleList((Looking(width, inner[0]), _widening(width, inner[1]))) for _ in range(depth)
        )

    def forward(self, seen: Tensor) -> Tensor:
        """Float[batch token feature] of a vision model to as many tokens as were learned."""
        read = self.proj_in(seen)
        tokens = self.latents.expand(len(seen), -1, -1)
        for layer in self.layers:
            look, widen = cast("Sequence[nn.Module]", layer)
            tokens = tokens + look(read, tokens)
            tokens = tokens + widen(tokens)
        return self.norm_out(self.proj_out(tokens))


def _widening(width: int, inner: int) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, inner, bias=False),
        nn.GELU(),
        nn.Linear(inner, width, bias=False),
    )


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImagePrompts:
    """An IP-Adapter at work.

    Attributes:
        module: `reader` makes tokens; `key_layers` and `value_layers` have one for each attention, in the files' order.
    """

    module: nn.Module
    reads: Reads
    path: Path
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def tokens(self, seen: ClipVisionOutput) -> Tokens:
        """What stands for pictures in a prompt, Float[picture token feature], on the CPU, float32.

        Raises:
            DiffusionError: another vision model saw them.
        """
        read = seen.image_embeds if self.reads is Reads.WHOLE else seen.penultimate_hidden_states
        reader = cast("Any", self.module).reader
        wanted = next(layer for layer in reader.modules() if isinstance(layer, nn.Linear)).in_features
        wanted = reader.proj_in.in_features if isinstance(reader, Resampler) else wanted
        if read is None or read.shape[-1] != wanted:
            has = "makes no such vector" if read is None else f"has {read.shape[-1]}"
            raise DiffusionError(
                f"{self.path.name} reads {self.reads.value} of {wanted} features; the vision model {has}.",
                "Use the one that the adapter was trained with: ViT-H/14 for most, ViT-bigG/14 for some of SDXL.",
            )
        return reader(read.to(self.device, self.dtype)).float().cpu()

    def beside(self, network: nn.Module) -> "PlacedPrompts":
        """It, at the attentions of a U-Net.

        Raises:
            DiffusionError: it was made for a network of another shape.
        """
        crossed = [(place, attention) for place, attention in attentions(network) if place.cross]
        ordered = sorted(crossed, key=lambda entry: PUBLISHED.index(entry[0].way))
        layers = cast("Any", self.module).key_layers
        fits = len(layers) == len(ordered) and all(
            layer.out_features == attention.to_q.out_features
            for layer, (_, attention) in zip(layers, ordered, strict=True)
        )
        if not fits:
            raise DiffusionError(
                f"{self.path.name} is an IP-Adapter for another family of models: it has {len(layers)} pairs of "
                f"layers, where this model has {len(ordered)} attentions that read a prompt, or of other widths.",
                "Use the adapter of the model's family (sd15, sdxl).",
            )
        return PlacedPrompts(self, tuple(place for place, _ in ordered))


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPrompts:
    """An IP-Adapter beside a network; implements `PictureLayers`."""

    adapter: LoadedImagePrompts
    places: tuple[Place, ...]

    @torch.no_grad()
    def mixtures(self, tokens: Tensor) -> Mapping[Place, tuple[Tensor, Tensor]]:
        """As `PictureLayers`."""
        parts = cast("Any", self.adapter.module)
        read = tokens.to(self.adapter.device, self.adapter.dtype)
        pairs = zip(self.places, parts.key_layers, parts.value_layers, strict=True)
        return {place: (keys(read), values(read)) for place, keys, values in pairs}


@dataclass(frozen=True, slots=True, eq=False)
class FoundPrompts:
    """An IP-Adapter in a file: what makes tokens, without memory for weights, and the numbers of its pairs of layers."""

    weights: WeightFile
    reader: nn.Module
    numbers: Sequence[int]


def find_image_prompts(path: Path) -> FoundPrompts:
    """The IP-Adapter of a file, of which the header alone is read.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it is none that Weft knows.
    """
    weights = open_weights(path)
    reader = _reader(weights)
    numbers = sorted({int(found[1]) for name in weights.shapes if (found := PAIR.fullmatch(name))})
    if not numbers:
        raise CheckpointUnknown(path, "an IP-Adapter", f"it has no tensors {LAYERS}1.to_k_ip.weight, ...")
    return FoundPrompts(weights, reader, numbers)


def load_image_prompts(path: Path, placement: Placement) -> LoadedImagePrompts:
    """The IP-Adapter of a file. Errors as `find_image_prompts`."""
    found = find_image_prompts(path)
    weights, reader, numbers = found.weights, found.reader, found.numbers

    def make() -> nn.Module:
        parts = nn.Module()
        parts.reader = reader
        parts.key_layers, parts.value_layers = (
            nn.ModuleList(_layer(weights, number, kind) for number in numbers) for kind in "kv"
        )
        return parts

    module = unfilled(make, path)
    names = [(READER + name, f"reader.{name}") for name in reader.state_dict()]
    for index, number in enumerate(numbers):
        names.append((_pair(number, "k"), f"key_layers.{index}.weight"))
        names.append((_pair(number, "v"), f"value_layers.{index}.weight"))
    fill(
        module,
        weights,
        [pair for pair in names if pair[0] in weights.shapes],
        placement.device,
        placement.dtype,
    )
    reads = Reads.WHOLE if isinstance(reader, Plain) else Reads.TOKENS
    return LoadedImagePrompts(module, reads, path, placement.device, placement.dtype)


def _pair(number: int, kind: str) -> str:
    return f"{LAYERS}{number}.to_{kind}_ip.weight"


def _layer(weights: WeightFile, number: int, kind: str) -> nn.Module:
    made, read = weights.shapes[_pair(number, kind)]
    return nn.Linear(read, made, bias=False)


def _reader(weights: WeightFile) -> nn.Module:
    """What makes tokens of what was seen, of the kind that the file has."""
    shapes = weights.under(READER)
    if (
        "proj.2.weight" in shapes and "proj.3.weight" not in shapes
    ) or "perceiver_resampler.latents" in shapes:
        what = (
            "it is a FaceID adapter, which reads vectors of a face recogniser that Weft does not have; "
            "those for faces that read CLIP's vision model (plus-face, full-face) work"
        )
        raise CheckpointUnknown(weights.path, "an IP-Adapter for pictures", what)
    try:
        return unfilled(lambda: _made(shapes), weights.path)
    except (KeyError, CheckpointUnreadable) as error:
        if any(name in shapes for name in ("proj.weight", "proj.3.weight", "latents")):
            raise CheckpointUnreadable(
                weights.path, f"its part {READER} lacks tensors ({error})", AGAIN
            ) from error
        what = f"it has no {READER} that Weft knows"
        raise CheckpointUnknown(weights.path, "an IP-Adapter", what) from error


def _made(shapes: Mapping[str, Shape]) -> nn.Module:
    if "proj.weight" in shapes:
        (rows, width), (made,) = shapes["proj.weight"], shapes["norm.weight"]
        return Plain(width, made, rows // made)
    if "proj.3.weight" in shapes:
        (inner, width), (made, _) = shapes["proj.0.weight"], shapes["proj.2.weight"]
        return Full(width, inner, made)
    _, tokens, width = shapes["latents"]
    inner = shapes["layers.0.0.to_q.weight"][0], shapes["layers.0.1.1.weight"][0]
    widths = shapes["proj_in.weight"][1], width, shapes["proj_out.weight"][0]
    return Resampler(tokens, widths, inner, count(shapes, "layers."))
