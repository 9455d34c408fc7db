"""Vision models in files: which there are, told from tensors' names and shapes, and how their tensors are called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.clip import BLOCK, LAYER, OPEN_NAMES, THIRDS
from nodes.diffusion.models.files import Shape, WeightFile, open_weights

DINO = ("embeddings.cls_token", "embeddings.mask_token", "layer.0.attention.q_proj.weight")
OPEN_OUTER = {
    "class_embedding": "embeddings.class_embedding",
    "positional_embedding": "embeddings.position_embedding.weight",
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_pre.weight": "pre_layrnorm.weight",
    "ln_pre.bias": "pre_layrnorm.bias",
    "ln_post.weight": "post_layernorm.weight",
    "ln_post.bias": "post_layernorm.bias",
}


class VisionLayout(Enum):
    """Which names a vision model's tensors have."""

    CLIP = "clip"  # of transformers
    SIGLIP = "siglip"
    OPEN_CLIP = "open_clip"


@dataclass(frozen=True, slots=True)
class FoundVision:
    """A vision model within a file.

    Attributes:
        prefix: before the names of its tensors. `outer`: before those that stand outside its network (projections).
    """

    layout: VisionLayout
    weights: WeightFile
    prefix: str
    outer: str

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Of its tensors, by names without the prefix."""
        return self.weights.under(self.prefix)


# A tensor that each kind has, with the name of the network that holds it.
MARKS = (
    (VisionLayout.CLIP, "vision_model.", "embeddings.class_embedding"),
    (VisionLayout.SIGLIP, "vision_model.", "embeddings.patch_embedding.bias"),
    (VisionLayout.OPEN_CLIP, "visual.", "transformer.resblocks.0.attn.in_proj_weight"),
)


def find_vision(path: Path) -> FoundVision:
    """The vision model of a file, a checkpoint that has one among others.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it holds none that Weft knows.
    """
    weights = open_weights(path)
    for layout, inner, mark in MARKS:
        for name in weights.shapes:
            if name.endswith(inner + mark):
                outer = name.removesuffix(inner + mark)
                return FoundVision(layout, weights, outer + inner, outer)
    if any(name.endswith(DINO) for name in weights.shapes):
        what = "it is a DINO model, which Weft does not load yet"
    else:
        what = f"none of its tensors ({', '.join(sorted(weights.shapes)[:2])}, ...) belongs to one"
    raise CheckpointUnknown(path, "a vision model", what)


def names_of(found: FoundVision) -> list[tuple[str, str]]:
    """Names of tensors in the file, each with that in the network; OpenCLIP's joined ones come three times."""
    if found.layout is not VisionLayout.OPEN_CLIP:
        return [(found.prefix + name, name) for name in found.shapes]
    return [(found.prefix + name, ours) for name in found.shapes for ours in _from_open(name)]


def _from_open(name: str) -> Iterator[str]:
    if name in OPEN_OUTER:
        yield OPEN_OUTER[name]
    if not name.startswith(BLOCK):
        return
    layer, _, rest = name.removeprefix(BLOCK).partition(".")
    inside = f"{LAYER}{layer}."
    if rest in ("attn.in_proj_weight", "attn.in_proj_bias"):
        yield from (f"{inside}self_attn.{third}.{rest.rpartition('_')[2]}" for third in THIRDS)
    for theirs, ours in OPEN_NAMES.items():
        if rest.startswith(theirs):
            yield inside + ours + rest.removeprefix(theirs)
