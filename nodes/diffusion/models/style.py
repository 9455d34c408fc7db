"""Style models: what a vision model saw of a picture, as tokens that stand behind a prompt's (Flux Redux).

Source: Black Forest Labs 2024, FLUX.1 Tools (Redux): two linear layers, from SigLIP's width to T5's.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.models.load import Placement
from nodes.diffusion.vision_values import ClipVisionOutput, Tokens

UP, DOWN = "redux_up", "redux_down"


class Redux(nn.Module):
    """Widen, bend, narrow."""

    def __init__(self, width: int, inner: int, made: int) -> None:
        super().__init__()
        self.redux_up = nn.Linear(width, inner)
        self.redux_down = nn.Linear(inner, made)

    def forward(self, seen: Tensor) -> Tensor:
        """Float[batch token feature] of the vision model to that of the text."""
        return self.redux_down(F.silu(self.redux_up(seen)))


@dataclass(frozen=True, slots=True, eq=False)
class LoadedStyle:
    """A style model at work."""

    module: Redux
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def tokens(self, seen: ClipVisionOutput) -> Tokens:
        """Tokens for a prompt, on the CPU, float32.

        Raises:
            ValueError: the vision model's width is another.
        """
        wanted = self.module.redux_up.in_features
        if seen.last_hidden_state.shape[-1] != wanted:
            raise ValueError(f"{seen.last_hidden_state.shape[-1]} features, where {wanted} are read")
        return self.module(seen.last_hidden_state.to(self.device, self.dtype)).float().cpu()


def load_style(path: Path, placement: Placement) -> LoadedStyle:
    """The style model of a file.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it is none that Weft knows.
    """
    weights = open_weights(path)
    try:
        inner, width = weights.shapes[f"{UP}.weight"]
        made = weights.shapes[f"{DOWN}.weight"][0]
    except (KeyError, ValueError) as error:
        other = "it is the style adapter of T2I-Adapter, which Weft does not load yet"
        what = other if "style_embedding" in weights.shapes else f"it lacks the tensor {error}"
        raise CheckpointUnknown(path, "a style model", what) from error
    module = unfilled(lambda: Redux(width, inner, made), path)
    fill(module, weights, [(name, name) for name in weights.shapes], placement.device, placement.text_dtype)
    assert isinstance(module, Redux)
    return LoadedStyle(module, placement.device, placement.text_dtype)
