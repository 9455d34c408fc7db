"""What travels between the parts of diffusion: latents, conditioning, and recipes for models.

A model on a wire is a recipe, not weights: a frozen value whose key is a hash of contents. `pool` builds what it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

from nodes.diffusion.level_recipes import LevelsRecipe

Latents: TypeAlias = Float[Tensor, "batch channel *space"]
Sigma: TypeAlias = Float[Tensor, ""]
Sigmas: TypeAlias = Float[Tensor, " levels"]
Image: TypeAlias = Float[Tensor, "batch height width channel"]  # 0..1
Mask: TypeAlias = Float[Tensor, "batch height width"]  # 0..1


@dataclass(frozen=True, slots=True, eq=False)
class Latent:
    """Latents between nodes, on the CPU, as the VAE gives them (not scaled for the model).

    Attributes:
        samples: Float[batch channel *space].
        noise_mask: where noise may change them, 0..1, in a shape that `resize.mask_for` takes; None: everywhere.
        batch_index: which item of a larger batch each one is, so that it gets that item's noise.
        extra: further entries that packs and workflows carry along.
    """

    samples: Tensor
    noise_mask: Tensor | None = None
    batch_index: tuple[int, ...] | None = None
    extra: Mapping[str, object] = field(default_factory=dict[str, object])

    def with_samples(self, samples: Tensor) -> "Latent":
        """The same with other samples."""
        return replace(self, samples=samples)


@dataclass(frozen=True, slots=True)
class CheckpointRef:
    """A file or model folder, equal to another by content, wherever it lies.

    Attributes:
        path: where it is now.
        content: hash of its bytes.
    """

    path: Path = field(compare=False)
    content: str


@dataclass(frozen=True, slots=True)
class LoraPatch:
    """A LoRA file at a strength; 0 leaves the weights alone."""

    file: CheckpointRef
    strength: float


@dataclass(frozen=True, slots=True)
class LoraTensors:
    """A LoRA in memory, as a file of it would hold it; equal to another by content.

    Attributes:
        content: hash of names and numbers.
    """

    content: str
    tensors: Mapping[str, Tensor] = field(compare=False)


@dataclass(frozen=True, slots=True)
class TensorPatch:
    """A LoRA in memory at a strength."""

    lora: LoraTensors
    strength: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What another checkpoint's weights are beyond the network's own, at a strength, as if it were a LoRA."""

    file: CheckpointRef
    strength: float


HookPatch: TypeAlias = LoraPatch | Difference


@dataclass(frozen=True, slots=True)
class HookKeyframe:
    """From a share of the run on, hooks count `strength` times as much.

    Attributes:
        guaranteed: steps for which it stays, even if the next one's time has come.
    """

    strength: float
    start: float = 0.0
    guaranteed: int = 1


@dataclass(frozen=True, slots=True)
class HookKeyframeGroup:
    """How the strength of hooks goes over a run: by start, those of one start in the order in which they came."""

    keyframes: tuple[HookKeyframe, ...] = ()

    def at(self, share: float) -> float:
        """How many times as much hooks count at a share of the run; before the first keyframe as at it."""
        passed = [entry for entry in self.keyframes if entry.start <= share] or self.keyframes[:1]
        return passed[-1].strength if passed else 1.0

    def with_keyframe(self, keyframe: HookKeyframe) -> "HookKeyframeGroup":
        """One longer."""
        return HookKeyframeGroup(tuple(sorted((*self.keyframes, keyframe), key=lambda entry: entry.start)))


@dataclass(frozen=True, slots=True)
class Hook:
    """A LoRA, or (`whole`) another checkpoint in its place, that is on the weights while a condition is computed.

    Attributes:
        strength_model, strength_clip: how far, before keyframes.
    """

    file: CheckpointRef
    strength_model: float
    strength_clip: float
    keyframes: HookKeyframeGroup = HookKeyframeGroup()
    whole: bool = False

    def patch(self, strength: float) -> HookPatch:
        """What is put on weights."""
        return Difference(self.file, strength) if self.whole else LoraPatch(self.file, strength)


@dataclass(frozen=True, slots=True)
class HookGroup:
    """Hooks that work together."""

    hooks: tuple[Hook, ...] = ()

    def with_hooks(self, others: "HookGroup") -> "HookGroup":
        """Both; a hook that comes twice is kept once."""
        return HookGroup((*self.hooks, *(hook for hook in others.hooks if hook not in self.hooks)))

    def without_keyframes(self) -> "HookGroup":
        """The same at full strength throughout."""
        return self.with_keyframes(HookKeyframeGroup())

    def at(self, share: float) -> tuple[HookPatch, ...]:
        """What is put on a text encoder for a share of the run."""
        patches = ((hook, hook.strength_clip * hook.keyframes.at(share)) for hook in self.hooks)
        return tuple(hook.patch(strength) for hook, strength in patches if strength)

    def starts(self) -> tuple[float, ...]:
        """Where the strength of any hook changes: shares of the run, 0 first."""
        return tuple(sorted({0.0, *(one.start for hook in self.hooks for one in hook.keyframes.keyframes)}))

    def with_keyframes(self, keyframes: HookKeyframeGroup) -> "HookGroup":
        """The same with these keyframes on every hook."""
        return HookGroup(tuple(replace(hook, keyframes=keyframes) for hook in self.hooks))


@dataclass(frozen=True, slots=True)
class WeightScale:
    """Weights and biases of modules times numbers.

    Attributes:
        factors: patterns of module names in the field's layout ("*.attn1.to_q"), each with its number; the first that fits
            counts.
    """

    factors: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Merge:
    """Weights mixed with those of another network, its patches on: `ours * W + theirs * W2`.

    Attributes:
        blocks: how a weight's name begins in the field's layout, each with our share; theirs is the rest. The longest that
            fits counts, else the first. Empty: `ours` and `theirs` for all.
    """

    checkpoint: CheckpointRef
    patches: "tuple[Patch, ...]" = ()
    ours: float = 1.0
    theirs: float = 0.0
    blocks: tuple[tuple[str, float], ...] = ()


Patch: TypeAlias = HookPatch | TensorPatch | WeightScale | Merge


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a model is sampled, where nodes changed that.

    Attributes:
        parametrisation: the value of a `Parametrisation`; empty: as the checkpoint says.
        levels: its noise levels; None: as the checkpoint says.
        latent_format: the name of another one; empty: as the checkpoint says.
        differential: a mask is free from the share of the run that it says (Levin and Fried 2023, arXiv:2306.00950):
            how far toward that, 0 to 1; None: it is what it is all along.
        compute: the type it computes in, "fp32", "fp16" or "bf16"; empty: as suits the device.
        stored: the type that its large weights are kept in, "fp8_e4m3fn" or "fp8_e5m2"; empty: the one it computes in.
        compiled: the backend of `torch.compile` that its blocks are compiled with; empty: they are not.
        kernel: of its attention, a name of `models.compiled.KERNELS`; empty: what suits.
    """

    parametrisation: str = ""
    levels: LevelsRecipe | None = None
    latent_format: str = ""
    differential: float | None = None
    compute: str = ""
    stored: str = ""
    compiled: str = ""
    kernel: str = ""


class Rule:
    """What a node adds to a model beside its weights: how its answers are joined, or what happens inside it.

    Base of frozen dataclasses whose content is their key; `guidance.rule` says what they do, `guidance.rules` lists them.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Model:
    """Recipe of a denoising network: a checkpoint, patches in call order, settings, rules in call order."""

    checkpoint: CheckpointRef
    patches: tuple[Patch, ...] = ()
    settings: ModelSettings = ModelSettings()
    rules: tuple[Rule, ...] = ()

    def patched(self, patch: Patch) -> "Model":
        """One patch longer."""
        return replace(self, patches=(*self.patches, patch))

    def ruled(self, rule: Rule) -> "Model":
        """One rule longer."""
        return replace(self, rules=(*self.rules, rule))


@dataclass(frozen=True, slots=True)
class Clip:
    """Recipe of a text encoder, or of the several that a family reads together.

    Attributes:
        last_layer: which hidden state is read, from the end: -1 is the last, None the family's own choice.
        others: further files, in the order in which a loader named them.
        kind: the family that it is meant for, as loaders call it; empty: told from the weights.
        hooks: further patches, as strong as their keyframes say.
        hands_hooks_on: what is read carries the hooks on to the model.
        scheduled: read once for each strength that the keyframes name, else once with none of them.
        padding: by name of encoder ("t5xxl"): least padding after the end, then tokens at least.
    """

    checkpoint: CheckpointRef
    patches: tuple[Patch, ...] = ()
    last_layer: int | None = None
    others: tuple[CheckpointRef, ...] = ()
    kind: str = ""
    hooks: HookGroup | None = None
    hands_hooks_on: bool = True
    scheduled: bool = False
    padding: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]], hash=False)

    def patched(self, patch: Patch) -> "Clip":
        """One patch longer."""
        return replace(self, patches=(*self.patches, patch))


@dataclass(frozen=True, slots=True)
class Vae:
    """Recipe of an image encoder and decoder."""

    checkpoint: CheckpointRef


PIXEL_SPACE = Vae(CheckpointRef(Path("pixel_space"), "pixel_space"))  # no file: pictures are the latents


@dataclass(frozen=True, slots=True)
class ControlNet:
    """Recipe of a control network.

    Attributes:
        pools_residuals: what it adds is averaged over the picture.
        kind: which of the hints of a union of nets it gets.
        base: the model that its file is the difference to; None: the one that is steered, where it needs one.
    """

    checkpoint: CheckpointRef
    pools_residuals: bool = False
    kind: int | None = None
    base: Model | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ControlUse:
    """A control network at work on a hint, between two shares of the run (0 is its start, 1 its end).

    Attributes:
        hint: Float[batch height width 3] in 0..1.
        vae: makes latents of it, for nets that read those.
        mask: where the picture is to be made anew, Float[batch height width] in 0..1, for nets that read one.
        inpainted: the picture that is made anew in part, of the hint's shape, for nets that read it beside a hint.
        also_negative: a positive conditioning lends it to negatives that have none.
    """

    net: ControlNet
    hint: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    vae: Vae | None = None
    also_negative: bool = False
    mask: Mask | None = None
    inpainted: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in latent units, or in shares of the picture if `relative`; of videos a span of frames too.

    Attributes:
        frames, first: how many, and from which on; `frames` None: all of them.
    """

    height: float | int
    width: float | int
    y: float | int
    x: float | int
    relative: bool = False
    frames: float | int | None = None
    first: float | int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A share of a run: 0 is its start, 1 its end; both ends belong to it."""

    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Cond:
    """One thing that steers: encoded text, and where, when and how strongly it counts.

    Attributes:
        context: Float[batch token feature]; what cross-attention reads.
        pooled: Float[batch feature] or None.
        strength: None where no node has said one: it counts as 1.
        mask: Float[batch height width]; None: the whole area.
        to_bounds: with a mask and no area, what is outside the mask's bounds is not computed.
        span: the share of the run in which it counts; None: all of it. `read_for`: that for which its text was read.
        fills: it counts where the other conditions of its side leave room, and nowhere else.
        hooks: changes of weights while this is computed; None: none.
        extra: what else steers families that read it (`conditions.py` knows the names), and what packs carry along.
    """

    context: Tensor
    pooled: Tensor | None = None
    area: Area | None = None
    strength: float | None = None
    mask: Tensor | None = None
    mask_strength: float = 1.0
    to_bounds: bool = False
    span: Span | None = None
    read_for: Span | None = None
    fills: bool = False
    controls: tuple[ControlUse, ...] = ()
    hooks: "HookGroup | None" = None
    extra: Mapping[str, object] = field(default_factory=dict[str, object])

    def with_extra(self, entries: Mapping[str, object]) -> "Cond":
        """The same with further entries in `extra`."""
        return replace(self, extra={**self.extra, **entries})


Conditioning: TypeAlias = tuple[Cond, ...]
