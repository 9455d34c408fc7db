"""The table of rules: everything that can ride on a model's recipe."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from nodes.diffusion.changes import Kind, Layers
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
    PerturbedLayers,
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
from nodes.diffusion.guidance.controlling import Controlled, StyleReferenced
from nodes.diffusion.guidance.hypernetworks import Hypernetworked
from nodes.diffusion.guidance.image_prompts import ImagePrompt
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
from nodes.diffusion.guidance.sparing import FirstBlockCache, MagCache, TaylorSeer
from nodes.diffusion.guidance.windows import ContextWindows
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
    PerturbedLayers,
    FreeU,
    Downscale,
    ScaledPositions,
    HyperTile,
    TokenMerging,
    NormalisedAttention,
    EasyCache,
    LazyCache,
    FirstBlockCache,
    MagCache,
    TaylorSeer,
    ContextWindows,
    ImagePrompt,
    Hypernetworked,
    Controlled,
    StyleReferenced,
)


@dataclass(frozen=True, slots=True)
class Works:
    """How a rule works inside a network.

    Attributes:
        name: what people call it.
        kinds: of changes through which it acts; it does nothing to a network that takes none of them.
        instead: what to use for a network that it does nothing to.
    """

    name: str
    kinds: frozenset[Kind]
    instead: str = ""


SPARES_ANY = "EasyCache, LazyCache and TaylorSeer spare calls of any model."

INSIDE: dict[type[Rule], Works] = {
    SkippedLayers: Works("Skip-layer guidance", frozenset((Kind.LAYERS,))),
    NegativeSkippedLayers: Works("Skip-layer guidance", frozenset((Kind.LAYERS,))),
    PerturbedLayers: Works(
        "Perturbed attention by layer",
        frozenset((Kind.ALONE,)),
        "Perturbed-Attention Guidance is for U-Nets.",
    ),
    ScaledPositions: Works("Scaling positions", frozenset((Kind.POSITIONS,))),
    PerturbedAttention: Works(
        "Perturbed-Attention Guidance",
        frozenset((Kind.ATTENTION,)),
        "Perturbed Attention (by layer) is for transformers.",
    ),
    SelfAttentionGuidance: Works("Self-Attention Guidance", frozenset((Kind.ATTENTION,))),
    FreeU: Works("FreeU", frozenset((Kind.SKIPS,))),
    Downscale: Works("Downscaling (Deep Shrink)", frozenset((Kind.BLOCKS,))),
    HyperTile: Works("HyperTile", frozenset((Kind.ATTENTION,))),
    TokenMerging: Works("Token merging", frozenset((Kind.ATTENTION,))),
    StyleReferenced: Works("Style reference (USO)", frozenset((Kind.WORDS,))),
    Hypernetworked: Works("Hypernetwork", frozenset((Kind.ATTENTION,))),
    ImagePrompt: Works("IP-Adapter", frozenset((Kind.ATTENTION,))),
    NormalisedAttention: Works("Normalized attention guidance", frozenset((Kind.ATTENTION, Kind.AWAY))),
    FirstBlockCache: Works("First-Block Cache", frozenset((Kind.LAYERS,)), SPARES_ANY),
    MagCache: Works("MagCache", frozenset((Kind.LAYERS,)), SPARES_ANY),
}


def idle(rules: Sequence[Rule], family: str, takes: Set[Kind], blocks: tuple[int, int]) -> Sequence[str]:
    """What to tell people of rules that do nothing to a network, or less than they were asked to.

    Args:
        family: the network's, as people call it.
        takes: kinds of changes that act on it.
        blocks: how many it has of two streams, and of one.
    """
    told: dict[str, None] = {}
    for rule in rules:
        works = INSIDE.get(type(rule))
        if works is not None and not works.kinds & takes:
            told[
                f"{works.name} does nothing to this model: {family} has no such parts. {works.instead}".strip()
            ] = None
        elif works is not None and isinstance(rule, SkippedLayers | NegativeSkippedLayers | PerturbedLayers):
            told |= dict.fromkeys(_beyond(works.name, rule.layers, family, blocks))
    sparing = [type(rule) for rule in rules if isinstance(rule, FirstBlockCache | MagCache)]
    if len(sparing) > 1 and Kind.LAYERS in takes:
        told[
            "Several nodes spare the same blocks (First-Block Cache, MagCache): "
            f"{INSIDE[sparing[0]].name}, whose node comes first, works alone."
        ] = None
    both = [type(rule) for rule in rules if isinstance(rule, HyperTile | TokenMerging)]
    if len({*both}) > 1 and Kind.ATTENTION in takes:
        told[
            "HyperTile and token merging are for the same attention at full size: "
            f"there {INSIDE[both[0]].name}, whose node comes first, works alone."
        ] = None
    return tuple(told)


def uncompiled(rules: Sequence[Rule], takes: Set[Kind]) -> Sequence[str]:
    """What to tell people of rules that work inside of compiled blocks: such calls go through the blocks as they are."""
    around = {Kind.LAYERS, Kind.SKIPS, Kind.BLOCKS}
    names = dict.fromkeys(
        works.name
        for works in (INSIDE.get(type(rule)) for rule in rules)
        if works is not None and (works.kinds & takes) - around
    )
    return tuple(f"{name} works inside of blocks: its calls go through them uncompiled." for name in names)


def _beyond(name: str, layers: Layers, family: str, blocks: tuple[int, int]) -> Iterator[str]:
    """Layers that a network does not have."""
    kinds = ("double_layers", "single_layers")
    for kind, numbers, count in zip(kinds, (layers.double, layers.single), blocks, strict=True):
        missing = ", ".join(str(number) for number in numbers if number >= count)
        if missing:
            has = f"{count} of them, from 0" if count else "none of them"
            yield f"{name}: {kind} {missing} do nothing, as this {family} has {has}."
