"""PhotoMaker: a person's picture said by the word before a trigger word, through CLIP's vision model and a small network.

Source: Li et al. 2023 (PhotoMaker, arXiv:2312.04461), section 3.2, in the layout of its first version.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown, DiffusionError
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.vision import LoadedVision, load_vision
from nodes.diffusion.values import Image

FUSE, MARK = "fuse_module.", "fuse_module.mlp1.fc1.weight"
PROJECTIONS = ("visual_projection", "visual_projection_2")
LATER = (
    "qformer_perceiver.token_proj.0.weight"  # of the second version, which reads a face recogniser's vector
)


class Layers(nn.Module):
    """A norm and two layers; what goes in is added where the width stays."""

    def __init__(self, width: int, inner: int, made: int) -> None:
        super().__init__()
        self.layernorm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, made)

    def forward(self, tokens: Tensor) -> Tensor:
        """Float[... feature]."""
        made = self.fc2(F.gelu(self.fc1(self.layernorm(tokens))))
        return made + tokens if made.shape == tokens.shape else made


class Fuse(nn.Module):
    """A word and what a picture shows, as one token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp1, self.mlp2 = Layers(2 * width, width, width), Layers(width, width, width)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, word: Tensor, shown: Tensor) -> Tensor:
        """Both Float[batch feature]."""
        return self.layer_norm(self.mlp2(self.mlp1(torch.cat((word, shown), -1)) + word))


@dataclass(frozen=True, slots=True, eq=False)
class LoadedPhotoMaker:
    """It at work.

    Attributes:
        module: `projections` of the vision model's vector to both text encoders' widths, and `fuse_module`.
        eye: CLIP's vision model, without a projection of its own.
    """

    module: nn.Module
    eye: LoadedVision
    path: Path
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def fused(self, word: Tensor, image: Image) -> Tensor:
        """A word's token with what a picture shows, Float[1 feature], on the CPU, float32.

        Raises:
            DiffusionError: the word was read for another family.
        """
        parts = cast("Any", self.module)
        width = parts.fuse_module.layer_norm.normalized_shape[0]
        if word.shape[-1] != width:
            raise DiffusionError(
                f"{self.path.name} reads words of {width} features; the prompt has {word.shape[-1]}.",
                "Use the CLIP of a Stable Diffusion XL model.",
            )
        seen = self.eye.read(image[:1]).image_embeds
        assert seen is not None
        vector = seen.to(self.device, self.dtype)
        shown = torch.cat([projection(vector) for projection in parts.projections], -1)
        return parts.fuse_module(word.to(shown), shown).float().cpu()


def load_photomaker(path: Path, placement: Placement) -> LoadedPhotoMaker:
    """The PhotoMaker of a file.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it is none, or of the second version.
    """
    before = find_photomaker(path)
    weights = open_weights(path)
    shapes = weights.under(before)

    def make() -> nn.Module:
        parts = nn.Module()
        sizes = [shapes[f"{name}.weight"] for name in PROJECTIONS]
        parts.projections = nn.ModuleList(nn.Linear(read, made, bias=False) for made, read in sizes)
        parts.fuse_module = Fuse(shapes[MARK][0])
        return parts

    module = unfilled(make, path)
    names = [(before + name, name) for name in shapes if name.startswith(FUSE)]
    names += [
        (f"{before}{name}.weight", f"projections.{index}.weight") for index, name in enumerate(PROJECTIONS)
    ]
    fill(module, weights, names, placement.device, placement.text_dtype)
    eye = load_vision(path, placement)
    parts = cast("nn.ModuleDict", eye.module)
    if "projection" in parts:
        del parts["projection"]
    parts["photomaker"] = module  # so that who counts what is in memory sees it
    return LoadedPhotoMaker(parts["photomaker"], eye, path, placement.device, placement.text_dtype)


def find_photomaker(path: Path) -> str:
    """What stands before the names of its tensors in a file.

    Raises:
        CheckpointMissing, CheckpointUnreadable, CheckpointUnknown: as `load_photomaker`.
    """
    weights = open_weights(path)
    name = next((name for name in weights.shapes if name.endswith(MARK)), None)
    if name is None or any(name.endswith(LATER) for name in weights.shapes):
        what = f"it lacks the tensor {MARK}"
        if name is not None:
            what = (
                "it is of the second version, which reads a face recogniser's vector that Weft does not have"
            )
        raise CheckpointUnknown(path, "a PhotoMaker of the first version", what)
    return name.removesuffix(MARK)
