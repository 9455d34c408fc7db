"""The table of rules: everything that can ride on a model's recipe."""

from collections.abc import Sequence

from nodes.diffusion.guidance.after import (
    EpsilonScaling,
    KeptNorm,
    Mahiro,
    OptimisedScale,
    TemporalScoreRescaling,
)
from nodes.diffusion.guidance.again import (
    NegativeSkippedLayers,
    PerturbedAttention,
    SelfAttentionGuidance,
    SkippedLayers,
)
from nodes.diffusion.guidance.attention import HyperTile, NormalisedAttention
from nodes.diffusion.guidance.before import (
    FrequencyScaling,
    OperatedDifference,
    ProjectedGuidance,
    TangentialDamping,
)
from nodes.diffusion.guidance.caching import EasyCache, LazyCache
from nodes.diffusion.guidance.inside import Downscale, FreeU, ScaledPositions
from nodes.diffusion.guidance.joining import (
    DynamicThresholding,
    LimitedInterval,
    LinearFrames,
    PerpNeg,
    RenormCfg,
    RescaleCfg,
    TriangleFrames,
)
from nodes.diffusion.guidance.merging import TokenMerging
from nodes.diffusion.values import Rule

RULES: tuple[type[Rule], ...] = (
    LimitedInterval,
    ProjectedGuidance,
    FrequencyScaling,
    TangentialDamping,
    OperatedDifference,
    NegativeSkippedLayers,
    RescaleCfg,
    RenormCfg,
    DynamicThresholding,
    LinearFrames,
    TriangleFrames,
    PerpNeg,
    OptimisedScale,
    KeptNorm,
    Mahiro,
    EpsilonScaling,
    TemporalScoreRescaling,
    PerturbedAttention,
    SelfAttentionGuidance,
    SkippedLayers,
    FreeU,
    Downscale,
    ScaledPositions,
    HyperTile,
    TokenMerging,
    NormalisedAttention,
    EasyCache,
    LazyCache,
)
OF_TRANSFORMERS: dict[type[Rule], str] = {
    SkippedLayers: "Skip-layer guidance",
    NegativeSkippedLayers: "Skip-layer guidance",
    ScaledPositions: "Scaling positions",
}


def idle_in_unets(rules: Sequence[Rule]) -> Sequence[str]:
    """What to tell people of rules that do nothing to a U-Net."""
    names = dict.fromkeys(OF_TRANSFORMERS[type(rule)] for rule in rules if type(rule) in OF_TRANSFORMERS)
    return tuple(
        f"{name} changes layers that only diffusion transformers have. This model is a U-Net: nothing is changed."
        for name in names
    )
