"""Noise levels as part of a model's recipe: values of few numbers, and those that only the checkpoint's own betas tell."""

from dataclasses import dataclass

from nodes.diffusion.continuous_levels import AngleLevels, CosineLevels, EdmLevels, ShareLevels
from nodes.diffusion.noise_levels import (
    DiscreteLevels,
    DistilledLevels,
    FlowLevels,
    NoiseLevels,
    from_betas,
    scaled_linear_betas,
)


@dataclass(frozen=True, slots=True)
class OwnLevels:
    """Levels made anew from the checkpoint's betas; from Stable Diffusion's where it has none.

    Attributes:
        zero_terminal_snr: see `from_betas`.
        distilled: how many of them are in use, evenly; 0 for all.
    """

    zero_terminal_snr: bool = False
    distilled: int = 0

    def of(self, levels: NoiseLevels) -> NoiseLevels:
        """The levels for a checkpoint that has these."""
        betas = levels.betas if isinstance(levels, DiscreteLevels) else None
        whole = from_betas(
            scaled_linear_betas() if betas is None else betas, zero_terminal_snr=self.zero_terminal_snr
        )
        return DistilledLevels(whole, len(whole.sigmas) // self.distilled) if self.distilled else whole


LevelsRecipe = OwnLevels | FlowLevels | EdmLevels | AngleLevels | ShareLevels | CosineLevels | NoiseLevels


def built(recipe: LevelsRecipe, own: NoiseLevels) -> NoiseLevels:
    """The levels that a recipe names, for a checkpoint with levels of its own."""
    return recipe.of(own) if isinstance(recipe, OwnLevels) else recipe
