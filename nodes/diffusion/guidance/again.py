"""Rules that ask the network once more, made worse on purpose, and go away from what it says then."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.changes import Attend, Attention, Layers, NetworkChanges, Place, Way
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.values import Latents, Rule

MIDDLE = Place(Way.MIDDLE, 0, 0, cross=False)
NEGATIVE = 1
BLUR = 9  # latents, the side of the kernel
SMALLEST = 4  # latents; a smaller picture has too few tokens to tell places apart


@dataclass(frozen=True, slots=True)
class PerturbedAttention(Rule):
    """Away from an answer whose middle block attends to nothing but each place itself (PAG).

    Source: Ahn et al. 2024 (arXiv:2403.17377), eq. 14.
    """

    scale: float = 3.0

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        if self.scale == 0.0:
            return guided
        worse = at.again(at.conditions[0], NetworkChanges(attention=(_each_itself,)))
        return guided + (at.positive - worse) * self.scale


def _each_itself(attention: Attention, attend: Attend) -> Tensor:
    place = attention.place
    if place.way is not Way.MIDDLE or place.cross:
        return attend(attention)
    return attention.out(attention.unmixed())


@dataclass(frozen=True, slots=True)
class SelfAttentionGuidance(Rule):
    """Away from an answer to latents that are blurred where the network looks most (SAG).

    Source: Hong et al. 2022 (arXiv:2210.00939), algorithm 1, on the negative side's answer.

    Attributes:
        blur_sigma: in latents.
    """

    scale: float = 0.5
    blur_sigma: float = 2.0

    @property
    def needs_both(self) -> bool:
        """As `NeedsBoth`."""
        return True

    def watch(self, at: Evaluation) -> NetworkChanges:
        """Notes where the middle block looks for the negative side."""
        at.kept["looked"] = noted = list[Tensor]()
        at.kept["parts"] = parts = list[Tensor]()
        return NetworkChanges(attention=(_noting(noted, parts, at.latents.shape[-2:]),))

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`.

        Raises:
            DiffusionError: no negative condition counts in the whole picture, so nothing says where it looks.
        """
        noted: list[Tensor] = at.kept["looked"]
        if min(at.latents.shape[2:]) > SMALLEST and not noted and at.kept["parts"]:
            raise DiffusionError(
                "Self-Attention Guidance looks at what the negative prompt makes of the whole picture, "
                "and all negative prompts have areas.",
                "Add a negative prompt without an area (Conditioning (Combine)).",
            )
        if min(at.latents.shape[2:]) <= SMALLEST or not noted:
            return guided
        looked = torch.cat(noted)[: len(at.latents)]  # of the first negative condition that was asked
        soft = blurred(at.negative, self.blur_sigma)
        degraded = torch.where(_over(looked, at.latents) > 1.0, soft, at.negative)
        noisy = degraded + at.latents - at.negative
        worse = at.again(at.conditions[1], latents=noisy, negative=True)
        return guided + (degraded - worse) * self.scale


def _noting(
    noted: list[Tensor], parts: list[Tensor], size: Sequence[int]
) -> Callable[[Attention, Attend], Tensor]:
    """Keeps of each call how much each token is looked at, averaged over heads: Float[batch token].

    Args:
        noted: what is said of the whole picture, whose latents have this size; `parts`: of a part of it.
    """

    def change(attention: Attention, attend: Attend) -> Tensor:
        if attention.place == MIDDLE and NEGATIVE in attention.sides:
            part = len(attention.queries) // len(attention.sides)
            first = attention.sides.index(NEGATIVE) * part
            into = noted if (attention.height, attention.width) == tuple(size) else parts
            into.append(attention.scores()[first : first + part].mean(dim=1).sum(dim=1))
        return attend(attention)

    return change


def _over(looked: Tensor, latents: Latents) -> Tensor:
    """Attention of tokens laid over latents, Float[batch 1 height width]; halved as a U-Net halves."""
    height, width = latents.shape[-2:]
    while height * width > looked.shape[1]:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
    return F.interpolate(looked.view(-1, 1, height, width), latents.shape[-2:], mode="nearest")


def blurred(latents: Latents, sigma: float) -> Latents:
    """Gaussian blur of a standard deviation in latents, reflected at the border."""
    channels = latents.shape[1]
    places = torch.arange(BLUR, dtype=torch.float32, device=latents.device) - BLUR // 2
    weights = torch.exp(-0.5 * (places / sigma) ** 2) if sigma > 0.0 else (places == 0.0).float()
    weights = (weights / weights.sum()).to(latents.dtype)
    kernel = torch.outer(weights, weights).expand(channels, 1, BLUR, BLUR)
    padded = F.pad(latents, [BLUR // 2] * 4, mode="reflect")
    return F.conv2d(padded, kernel, groups=channels)


@dataclass(frozen=True, slots=True)
class SkippedLayers(Rule):
    """Away from an answer without some layers of a transformer (SLG). A U-Net has no such layers; nothing changes there.

    Source: Hyung et al. 2024 (Spatiotemporal skip guidance, arXiv:2411.18664), eq. 8; Stability AI's reference code of
    Stable Diffusion 3.5.

    Attributes:
        scale: how far away; start_percent, end_percent: the share of the run.
        rescaling: how much of the result's spread is brought back to the positive estimate's, over the whole batch.
    """

    layers: Layers
    scale: float = 3.0
    start_percent: float = 0.01
    end_percent: float = 0.15
    rescaling: float = 0.0

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        if self.scale <= 0.0 or not at.within(self.start_percent, self.end_percent):
            return guided
        return _away(at, guided, NetworkChanges(left_out=self.layers), self.scale, self.rescaling)


@dataclass(frozen=True, slots=True)
class PerturbedLayers(Rule):
    """Away from an answer where, in some layers of a transformer, each place sees the text and itself alone.

    Source: Ahn et al. 2024 (arXiv:2403.17377), eqs. 13 and 14, for joint attention as in diffusers' pipeline of Stable
    Diffusion 3.

    Attributes:
        as of `SkippedLayers`.
    """

    layers: Layers
    scale: float = 3.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    rescaling: float = 0.0

    def after(self, at: Evaluation, guided: Latents) -> Latents:
        """As `ComesAfter`."""
        if self.scale == 0.0 or not at.within(self.start_percent, self.end_percent):
            return guided
        return _away(at, guided, NetworkChanges(alone=self.layers), self.scale, self.rescaling)


def _away(
    at: Evaluation, guided: Latents, changes: NetworkChanges, scale: float, rescaling: float
) -> Latents:
    """Away from the positive side's answer with further changes, the spread of the positive one partly kept."""
    worse = at.again(at.conditions[0], changes)
    guided = guided + (at.positive - worse) * scale
    if rescaling == 0.0:
        return guided
    return guided * (rescaling * (at.positive.std() / guided.std()) + (1.0 - rescaling))


@dataclass(frozen=True, slots=True)
class NegativeSkippedLayers(Rule):
    """The negative side's answer made without some layers of a transformer. A U-Net has no such layers.

    Source: as `SkippedLayers`.
    """

    layers: Layers
    start_percent: float = 0.0
    end_percent: float = 1.0

    def negative(self, at: Evaluation) -> NetworkChanges:
        """As `ChangesNegative`."""
        within = at.within(self.start_percent, self.end_percent)
        return NetworkChanges(left_out=self.layers) if within else NetworkChanges()
