"""Rules that join the sides: from the positive and the negative estimate to one."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.guidance.arithmetic import beside, length
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.values import Conditioning, Latents, Rule, Sigma

TINY = 1e-8


def cfg(positive: Latents, negative: Latents, scale: float) -> Latents:
    """From negative toward positive, and beyond it where the scale is above 1.

    Source: Ho and Salimans 2022 (arXiv:2207.12598), eq. 6, on denoised estimates.
    """
    return negative + (positive - negative) * scale


@dataclass(frozen=True, slots=True)
class RescaleCfg(Rule):
    """Guidance whose result varies as much as the positive estimate, blended with the plain one.

    Source: Lin et al. 2023 (arXiv:2305.08891), eqs. 15 and 16, on velocities; on denoised estimates where the network
    predicts a flow.

    Attributes:
        share: how much of the rescaled result, 0 to 1.
    """

    share: float = 0.7

    def join(self, at: Evaluation) -> Latents:
        """As `Joins`."""
        if at.network.parametrisation is Parametrisation.FLOW:
            return self._blended(at.positive, at.negative, at.scale)
        positive, negative = (_velocity(at.latents, at.sigma, side) for side in (at.positive, at.negative))
        velocity = self._blended(positive, negative, at.scale)
        spread = at.sigma**2 + 1.0
        return at.latents / spread - velocity * at.sigma / spread**0.5

    def _blended(self, positive: Tensor, negative: Tensor, scale: float) -> Tensor:
        guided = cfg(positive, negative, scale)
        wanted, found = (side.flatten(1).std(dim=1, keepdim=True) for side in (positive, guided))
        factor = beside(wanted / found.clamp(min=TINY), guided)
        return guided * (self.share * factor + (1.0 - self.share))


def _velocity(latents: Latents, sigma: Sigma, denoised: Latents) -> Tensor:
    spread = sigma**2 + 1.0
    return (latents / spread - denoised) * spread**0.5 / sigma


@dataclass(frozen=True, slots=True)
class RenormCfg(Rule):
    """Guidance whose result is no longer, as a vector, than the positive estimate.

    Source: Qin et al. 2025 (Lumina-Image 2.0, arXiv:2503.21758), section 4: CFG-Renormalization and CFG-Truncation.

    Attributes:
        truncation: sigma from which on the positive estimate alone counts.
        longest: the length allowed, in lengths of the positive estimate; 0 sets no limit.
    """

    truncation: float = 100.0
    longest: float = 1.0

    def join(self, at: Evaluation) -> Latents:
        """As `Joins`."""
        if float(at.sigma) >= self.truncation:
            return at.positive
        guided = cfg(at.positive, at.negative, at.scale)
        if self.longest > 0.0:
            axes = tuple(range(1, guided.ndim))
            found, allowed = length(guided, axes), length(at.positive, axes) * self.longest
            guided = guided * torch.where(found >= allowed, allowed / found.clamp(min=TINY), 1.0)
        return guided


@dataclass(frozen=True, slots=True)
class LinearFrames(Rule):
    """Guidance that grows from the first frame of a batch to the last.

    Source: Blattmann et al. 2023 (Stable Video Diffusion, arXiv:2311.15127), appendix D.3.
    """

    first_scale: float = 1.0

    @property
    def needs_both(self) -> bool:
        """As `NeedsBoth`."""
        return self.first_scale != 1.0

    def join(self, at: Evaluation) -> Latents:
        """As `Joins`."""
        shares = torch.linspace(0.0, 1.0, len(at.latents))
        return _framed(at, self.first_scale + (at.scale - self.first_scale) * shares)


@dataclass(frozen=True, slots=True)
class TriangleFrames(Rule):
    """Guidance that grows toward the middle frame of a batch and falls again.

    Source: Voleti et al. 2024 (SV3D, arXiv:2403.12008), section 4.
    """

    first_scale: float = 1.0

    @property
    def needs_both(self) -> bool:
        """As `NeedsBoth`."""
        return self.first_scale != 1.0

    def join(self, at: Evaluation) -> Latents:
        """As `Joins`."""
        shares = torch.linspace(0.0, 1.0, len(at.latents))
        shares = 2.0 * (shares - (shares + 0.5).floor()).abs()
        return _framed(at, self.first_scale + (at.scale - self.first_scale) * shares)


def _framed(at: Evaluation, scales: Tensor) -> Latents:
    if len(at.sides) == 1:
        return at.positive
    return at.negative + (at.positive - at.negative) * beside(scales, at.latents)


@dataclass(frozen=True, slots=True)
class PerpNeg(Rule):
    """Away from what the negative conditions add across, not along, what the positive ones add to none.

    Source: Armandpour et al. 2023 (arXiv:2304.04968), eq. 6. One call of the network more.
    """

    empty: Conditioning
    negative_scale: float = 1.0

    def join(self, at: Evaluation) -> Latents:
        """As `Joins`."""
        if len(at.sides) == 1:
            return at.positive
        empty = at.again(self.empty)
        return perpendicular(at.positive, at.negative, empty, at.scale, self.negative_scale)


def perpendicular(
    positive: Latents, negative: Latents, empty: Latents, scale: float, negative_scale: float
) -> Latents:
    """Perp-Neg's estimate; lengths and products are taken over the whole batch, as the field does."""
    toward, away = positive - empty, negative - empty
    along = (away * toward).sum() / (toward**2).sum().clamp(min=TINY) * toward
    return empty + scale * (toward - negative_scale * (away - along))


@dataclass(frozen=True, slots=True)
class DynamicThresholding(Rule):
    """Guidance at its full scale within the range that a lower scale would have had.

    Each channel's values around its mean are cut at a quantile of their size and brought to the range of the other scale.
    Source: Saharia et al. 2022 (Imagen, arXiv:2205.11487), section 2.3, where the range is -1 to 1, that of pixels.

    Attributes:
        like_scale: the guidance scale whose range is kept to.
        quantile: share of values that are not cut, 0 to 1.
    """

    like_scale: float = 7.0
    quantile: float = 0.999

    def join(self, at: Evaluation) -> Latents:
        """As `Joins`."""
        guided, like = (
            cfg(at.positive, at.negative, scale).flatten(2) for scale in (at.scale, self.like_scale)
        )
        middle = guided.mean(dim=2, keepdim=True)
        around = guided - middle
        limit = (like - like.mean(dim=2, keepdim=True)).abs().amax(dim=2, keepdim=True)
        sizes = [
            one.quantile(self.quantile, dim=1, keepdim=True) for one in around.abs()
        ]  # of few values at once
        reach = torch.stack(sizes).clamp(min=TINY)
        reach = torch.maximum(reach, limit.clamp(min=TINY))
        cut = around.clamp(-reach, reach) / reach * limit
        return (cut + middle).view_as(at.latents)


@dataclass(frozen=True, slots=True)
class LimitedInterval(Rule):
    """Guidance in the middle of a run alone; outside, the negative side is not even asked.

    Source: Kynkäänniemi et al. 2024 (arXiv:2404.07724), eq. 3.
    """

    start_percent: float = 0.0
    end_percent: float = 1.0

    def scaled(self, at: Evaluation) -> float:
        """As `Scales`."""
        return at.scale if at.within(self.start_percent, self.end_percent) else 1.0
