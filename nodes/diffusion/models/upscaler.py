"""Networks that make pictures larger in one pass: ESRGAN and its kin, read off their tensors' names and shapes.

Sources: Wang et al. 2018 (arXiv:1809.00219), sections 3.1 and 3.2, in three layouts of names; Wang et al. 2021
(arXiv:2107.10833), section 3.3, whose smaller factors begin with pixels folded into channels; the compact network of the
same authors (Real-ESRGAN, "SRVGG"). Other kinds are read by the package `spandrel`, where it is installed.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown, DiffusionError
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import Shape, WeightFile, open_weights
from nodes.diffusion.models.load import Placement

COLOURS = 3
SLOPE = 0.2  # of the leaky ReLU
RESIDUAL = 0.2  # share of what a block adds
CONVOLUTIONS = 5  # in a dense block
WRAPPERS = ("params_ema.", "params.", "module.", "generator.", "netG.")
BLOCK = re.compile(r"(?:body|RRDB_trunk|model\.1\.sub)\.(\d+)\.(?:rdb|RDB)([123])\.conv([1-5])(?:\.0)?\.(.+)")
RENAMED = {  # of the layout of 2019
    "trunk_conv": "conv_body",
    "upconv1": "conv_up.0",
    "upconv2": "conv_up.1",
    "conv_up1": "conv_up.0",
    "conv_up2": "conv_up.1",
    "conv_up3": "conv_up.2",
    "HRconv": "conv_hr",
}
SPANDREL = (
    "Install the package spandrel (pip install spandrel), which reads further kinds, or choose another file."
)


@dataclass(frozen=True, slots=True, eq=False)
class Upscaler:
    """A loaded network that makes pictures larger; it works in single precision.

    Attributes:
        module: Float[batch 3 height width] in 0..1 to about 0..1, `scale` times as large.
    """

    module: nn.Module
    scale: int
    device: torch.device

    @torch.no_grad()
    def __call__(self, planes: Tensor) -> Tensor:
        """Planes Float32[batch 3 height width], made larger, on the CPU."""
        made: Tensor = self.module(planes.to(self.device, torch.float32))
        return made.float().cpu()


def load_upscaler(path: Path, placement: Placement) -> Upscaler:
    """An upscaler from its file.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it is of no kind that is read here, and spandrel is missing or knows it no better.
    """
    weights = open_weights(path)
    names = _unwrapped(weights)
    compact = {ours: weights.shapes[theirs] for theirs, ours in names}
    if _is_compact(compact):
        module: nn.Module = unfilled(lambda: Compact(compact), path)
        scale = cast("Compact", module).scale
    else:
        names = [(theirs, _dense_name(ours, compact)) for theirs, ours in names]
        shapes = {ours: weights.shapes[theirs] for theirs, ours in names}
        if not {"conv_first.weight", "body.0.0.0.weight", "conv_last.weight"} <= shapes.keys():
            return _by_spandrel(weights, placement)
        module = unfilled(lambda: Dense(shapes), path)
        scale = cast("Dense", module).scale
    fill(module, weights, names, placement.device, torch.float32)
    return Upscaler(module, scale, placement.device)


class Dense(nn.Module):
    """Residual-in-residual dense blocks, then doublings (ESRGAN). Pixels may first be folded into channels."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        width, taken = shapes["conv_first.weight"][:2]
        growth = shapes["body.0.0.0.weight"][0]
        blocks = 1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("body."))
        doublings = len({name.split(".")[1] for name in shapes if name.startswith("conv_up.")})
        self.folded = math.isqrt(taken // COLOURS)
        self.scale = 2**doublings // self.folded
        self.conv_first = _convolution(taken, width)
        self.body = nn.ModuleList(
            nn.ModuleList(_dense_block(width, growth) for _ in range(3)) for _ in range(blocks)
        )
        self.conv_body = _convolution(width, width)
        self.conv_up = nn.ModuleList(_convolution(width, width) for _ in range(doublings))
        self.conv_hr = _convolution(width, width)
        self.conv_last = _convolution(width, shapes["conv_last.weight"][0])

    def forward(self, planes: Tensor) -> Tensor:
        height, width = planes.shape[-2:]
        folded = self.folded
        padded = F.pad(planes, (0, -width % folded, 0, -height % folded), "replicate")
        first: Tensor = self.conv_first(F.pixel_unshuffle(padded, folded) if folded > 1 else padded)
        state = first
        for block in self.body:
            added = state
            for dense in cast("nn.ModuleList", block):
                added = _densely(cast("nn.ModuleList", dense), added)
            state = added * RESIDUAL + state
        state = first + self.conv_body(state)
        for doubling in self.conv_up:
            state = _leaky(doubling(F.interpolate(state, scale_factor=2, mode="nearest")))
        made: Tensor = self.conv_last(_leaky(self.conv_hr(state)))
        return made[..., : height * self.scale, : width * self.scale]


class Compact(nn.Module):
    """A plain row of convolutions whose channels unfold into pixels, added to the picture enlarged (Real-ESRGAN compact)."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        last = max(int(name.split(".")[1]) for name in shapes)
        layers: list[nn.Module] = []
        for place in range(last + 1):
            shape = shapes.get(f"body.{place}.weight")
            if shape is None:
                layers.append(nn.LeakyReLU(0.1))
            elif len(shape) == 1:
                layers.append(nn.PReLU(shape[0]))
            else:
                layers.append(_convolution(shape[1], shape[0]))
        self.body = nn.Sequential(*layers)
        self.scale = math.isqrt(shapes[f"body.{last}.weight"][0] // COLOURS)

    def forward(self, planes: Tensor) -> Tensor:
        made: Tensor = F.pixel_shuffle(self.body(planes), self.scale)
        return made + F.interpolate(planes, scale_factor=self.scale, mode="nearest")


def _convolution(given: int, made: int) -> nn.Conv2d:
    return nn.Conv2d(given, made, 3, padding=1)


def _dense_block(width: int, growth: int) -> nn.ModuleList:
    last = CONVOLUTIONS - 1
    return nn.ModuleList(
        _convolution(width + place * growth, width if place == last else growth)
        for place in range(CONVOLUTIONS)
    )


def _densely(block: nn.ModuleList, state: Tensor) -> Tensor:
    """Each convolution reads all that came before it."""
    seen = state
    *inner, last = block
    for convolution in inner:
        seen = torch.cat((seen, _leaky(convolution(seen))), 1)
    made: Tensor = last(seen)
    return made * RESIDUAL + state


def _leaky(state: Tensor) -> Tensor:
    return F.leaky_relu(state, SLOPE)


def _unwrapped(weights: WeightFile) -> list[tuple[str, str]]:
    """Names in the file, each with that below what wraps it; of several wrapped networks, the averaged one."""
    wrapper = next(
        (prefix for prefix in WRAPPERS if any(name.startswith(prefix) for name in weights.shapes)), ""
    )
    return [(name, name.removeprefix(wrapper)) for name in weights.shapes if name.startswith(wrapper)]


def _is_compact(shapes: Mapping[str, Shape]) -> bool:
    """A row of layers by number, and nothing else; the first reads colours, the last makes whole squares of them."""
    numbers = [
        int(found[1]) for name in shapes if (found := re.fullmatch(r"body\.(\d+)\.(?:weight|bias)", name))
    ]
    if not numbers or len(numbers) != len(shapes) or "body.0.weight" not in shapes:
        return False
    first, last = shapes["body.0.weight"], shapes.get(f"body.{max(numbers)}.weight", ())
    if len(first) != 4 or len(last) != 4 or first[1] != COLOURS:
        return False
    return last[0] == COLOURS * math.isqrt(last[0] // COLOURS) ** 2


def _dense_name(name: str, shapes: Mapping[str, Shape]) -> str:
    """Our name for a tensor of ESRGAN in any layout; another's stays."""
    found = BLOCK.fullmatch(name)
    if found:
        block, dense, convolution, kind = found.groups()
        return f"body.{block}.{int(dense) - 1}.{int(convolution) - 1}.{kind}"
    if name.startswith("model."):
        return _numbered_name(name, shapes)
    module, dot, kind = name.partition(".")
    return RENAMED.get(module, module) + dot + kind


def _numbered_name(name: str, shapes: Mapping[str, Shape]) -> str:
    """Of the first layout, a row: first, blocks, (doubling, convolution, ReLU) for each doubling, two convolutions."""
    module, _, kind = name.rpartition(".")
    if module.startswith("model.1.sub."):
        return f"conv_body.{kind}"
    last = max(int(each.split(".")[1]) for each in shapes if re.match(r"model\.\d+\.", each))
    place = int(module.split(".")[1]) if re.fullmatch(r"model\.\d+", module) else -1
    named = {0: "conv_first", last - 2: "conv_hr", last: "conv_last"}
    named |= {up: f"conv_up.{number}" for number, up in enumerate(range(3, last - 2, 3))}
    return f"{named[place]}.{kind}" if place in named else name


def _by_spandrel(weights: WeightFile, placement: Placement) -> Upscaler:
    """A network that spandrel knows and builds.

    Raises:
        CheckpointUnknown: it is not installed, or does not know this file either, or not as one that enlarges pictures.
    """
    path = weights.path
    try:
        spandrel = cast("Any", import_module("spandrel"))
    except ImportError as error:
        raise _unknown(path, "it is of no kind that Weft reads by itself") from error
    try:
        found = spandrel.ModelLoader(device="cpu").load_from_state_dict(weights.tensors(weights.shapes))
    except spandrel.UnsupportedModelError as error:
        raise _unknown(path, "neither Weft nor spandrel knows its kind") from error
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise _unknown(path, "it needs more than a picture")
    module = cast("nn.Module", found.model).to(placement.device, torch.float32).eval()
    return Upscaler(_Called(module, found), int(found.scale), placement.device)


class _Called(nn.Module):
    """A network that is asked through its descriptor, which pads and clamps as it needs."""

    def __init__(self, module: nn.Module, descriptor: object) -> None:
        super().__init__()
        self.network = module
        self.ask = cast("Any", descriptor)

    def forward(self, planes: Tensor) -> Tensor:
        return cast("Tensor", self.ask(planes))


def _unknown(path: Path, found: str) -> DiffusionError:
    error = CheckpointUnknown(path, "an upscale model that can be used", found)
    return DiffusionError(error.message, SPANDREL)
