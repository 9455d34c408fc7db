"""Rules that come after the sides were joined: they correct the guided estimate."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.guidance.arithmetic import BY_PLACE, beside, length
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.values import Latents, Rule

TINY = 1e-8


@dataclass(frozen=True, slots=True)
class OptimisedScale(Rule):
    """The negative side is scaled to come nearest to the positive one, item by item (CFG-Zero*).

    Source: Fan et al. 2025 (arXiv:2503.18886), eqs. 9 and 11. As in the field, the factor is that of predicted noise, and
    it is applied to denoised estimates; the first step is not left out.
    """

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        toward, away = ((at.latents - side).flatten(1) for side in (at.positive, at.negative))
        best = beside((toward * away).sum(1) / ((away**2).sum(1) + TINY), guided)
        return guided + at.negative * (best - 1.0) + at.scale * at.negative * (1.0 - best)


@dataclass(frozen=True, slots=True)
class KeptNorm(Rule):
    """The guided estimate, at no place longer over its channels than the positive one (CFG-Norm).

    Source: the guidance of Qwen-Image (Wu et al. 2025, arXiv:2508.02324) and HiDream, in their published code.

    Attributes:
        strength: a factor of the result.
    """

    strength: float = 1.0

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        wanted, found = length(at.positive, BY_PLACE), length(guided, BY_PLACE)
        return guided * (wanted / (found + TINY)).clamp(0.0, 1.0) * self.strength


@dataclass(frozen=True, slots=True)
class Mahiro(Rule):
    """Toward the positive estimate times the scale, the more, the more guidance agrees with the negative one.

    Source: none; a formula of the field (Yoimiya, "Mahiro CFG", 2024).
    """

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        leap = at.positive * at.scale
        between = _rooted((leap + guided) / 2.0)
        likeness = F.cosine_similarity(_rooted(at.negative * at.scale), between, dim=1).mean()
        share = 2.0 * (likeness + 1.0)
        return (share * guided + (4.0 - share) * leap) / 4.0


def _rooted(latents: Tensor) -> Tensor:
    return latents.sign() * latents.abs().sqrt()


@dataclass(frozen=True, slots=True)
class EpsilonScaling(Rule):
    """Predicted noise divided by a number, against the drift of a run from what the network was trained on.

    Source: Ning et al. 2023 (arXiv:2308.15321), eq. 11.
    """

    factor: float = 1.005

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        return at.latents - (at.latents - guided) / (self.factor or 1e-9)


@dataclass(frozen=True, slots=True)
class TemporalScoreRescaling(Rule):
    """The score as if all modes of the data were `k` times as wide in variance: sharper pictures above 1, more varied below.

    Source: Xu et al. 2025 (Temporal Score Rescaling, arXiv:2510.01184), eq. 11.

    Attributes:
        data_sigma: standard deviation of the modes.
    """

    k: float = 0.95
    data_sigma: float = 1.0

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        if self.k == 1.0 or self.data_sigma == 0.0:
            return guided
        kept = 1.0 - at.sigma if at.network.parametrisation is Parametrisation.FLOW else torch.ones(())
        snr = (kept / at.sigma) ** 2
        spread = snr * self.data_sigma**2
        ratio = (spread + 1.0) / (spread / self.k + 1.0) if bool(torch.isfinite(spread)) else self.k
        clean = at.latents / kept
        return clean + (guided - clean) * ratio if float(kept) > 0.0 else guided
