"""Style projectors: three layers of what SigLIP saw of a picture, as tokens that FLUX.1 reads before its text (USO).

Source: Wu et al. 2025 (USO, arXiv:2508.18966), section 3.2, in the layout in which its authors published it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import AGAIN, Shape, open_weights
from nodes.diffusion.models.load import Placement
from nodes.diffusion.vision_values import ClipVisionOutput, Tokens

BEFORE = "feature_embedder."
MARK = f"{BEFORE}mid_layer_norm.bias"
LEVELS = ("high", "mid", "low")


class Projector(nn.Module):
    """For each level: tokens mixed to fewer, a norm, and a projection to the network's width."""

    def __init__(self, tokens: tuple[int, int], widths: tuple[int, int]) -> None:
        super().__init__()
        for level in LEVELS:
            self.add_module(f"{level}_embedding_linear", nn.Sequential(nn.Linear(*tokens), nn.SiLU()))
            self.add_module(f"{level}_layer_norm", nn.LayerNorm(widths[0]))
            self.add_module(f"{level}_projection", nn.Linear(*widths))

    def forward(self, states: Mapping[str, Tensor]) -> Tensor:
        """Float[batch token feature] of each level, to those of the network, the highest level first."""
        made: list[Tensor] = []
        for level in LEVELS:
            mix, norm, project = (
                self.get_submodule(f"{level}_{part}")
                for part in ("embedding_linear", "layer_norm", "projection")
            )
            made.append(project(norm(mix(states[level].transpose(1, 2)).transpose(1, 2))))
        return torch.cat(made, 1)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedProjector:
    """A style projector at work."""

    module: nn.Module
    path: Path
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def tokens(self, seen: ClipVisionOutput) -> Tokens:
        """Tokens of a picture, on the CPU, float32; those of several one after the other, Float[1 token inner].

        Raises:
            DiffusionError: another vision model saw it.
        """
        states = {"high": seen.penultimate_hidden_states, "mid": seen.middle, "low": seen.low}
        mix, norm = (
            cast("Any", self.module).get_submodule(f"high_{part}")
            for part in ("embedding_linear", "layer_norm")
        )
        wanted = mix[0].in_features, norm.normalized_shape[0]
        read = {
            level: state.to(self.device, self.dtype) for level, state in states.items() if state is not None
        }
        if len(read) < len(states) or tuple(read["high"].shape[1:]) != wanted:
            raise DiffusionError(
                f"{self.path.name} reads {wanted[0]} tokens of {wanted[1]} features of three layers; "
                f"the vision model gave {tuple(read['high'].shape[1:])}.",
                "Use SigLIP (so400m, patches of 14, pictures of 384) in Load CLIP Vision.",
            )
        return self.module(read).float().cpu().flatten(0, 1)[None]


def load_projector(path: Path, placement: Placement) -> LoadedProjector:
    """The style projector of a file.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it is none.
    """
    weights = open_weights(path)
    shapes: Mapping[str, Shape] = weights.under(BEFORE)
    if MARK not in weights.shapes:
        raise CheckpointUnknown(path, "a style projector (USO)", f"it lacks the tensor {MARK}")
    try:
        fewer, tokens = shapes["high_embedding_linear.0.weight"]
        made, width = shapes["high_projection.weight"]
    except (KeyError, ValueError) as error:
        raise CheckpointUnreadable(path, f"it lacks the tensor {error}", AGAIN) from error
    module = unfilled(lambda: Projector((tokens, fewer), (width, made)), path)
    names = [(BEFORE + name, name) for name in shapes]
    fill(module, weights, names, placement.device, placement.text_dtype)
    return LoadedProjector(module, path, placement.device, placement.text_dtype)
