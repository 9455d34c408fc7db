"""Pictures read by networks: recipes of vision and style models, and what a vision model makes of a picture."""

from dataclasses import dataclass
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from nodes.diffusion.values import CheckpointRef

Tokens: TypeAlias = Float[Tensor, "batch token feature"]


@dataclass(frozen=True, slots=True)
class ClipVision:
    """Recipe of a network that reads pictures (CLIP's, SigLIP)."""

    checkpoint: CheckpointRef


@dataclass(frozen=True, slots=True, eq=False)
class ClipVisionOutput:
    """What a vision model made of pictures, on the CPU, float32; by attribute or by item, as packs ask.

    Attributes:
        image_embeds: the whole picture as one vector that texts can be compared to, Float[batch feature]; None from
            a file without what makes it (some of SigLIP).
        last_hidden_state, penultimate_hidden_states: of the last layer and the one before, Float[batch token feature].
        image_sizes: channels, height and width of each picture as the network got it.
        low, middle: the twentieth and the eleventh state from the end, of SigLIP with so many layers; None elsewhere.
        mm_projected: what a language model with eyes reads, Float[batch token feature]; None without its projector.
    """

    image_embeds: Tensor | None
    last_hidden_state: Tensor
    penultimate_hidden_states: Tensor
    image_sizes: tuple[tuple[int, int, int], ...] = ()
    mm_projected: Tensor | None = None
    low: Tensor | None = None
    middle: Tensor | None = None

    def __getitem__(self, name: str) -> object:
        return getattr(self, name)


@dataclass(frozen=True, slots=True)
class StyleModel:
    """Recipe of a network that turns what a vision model saw into tokens of a prompt (Flux Redux)."""

    checkpoint: CheckpointRef
