"""What travels between the parts of diffusion: latents, conditioning, and recipes for models.

A model on a wire is a recipe, not weights: a frozen value whose key is a hash of contents. `pool` builds what it names.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TypeAlias, cast

import torch
from jaxtyping import Float
from torch import Tensor

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
        noise_mask: where noise may change them, Float[batch 1 height width] in 0..1; None: everywhere.
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
class ModelSettings:
    """How a model is sampled, where a node changed that. Widened by later families."""

    parametrisation: str = ""  # empty: as the checkpoint says


@dataclass(frozen=True, slots=True)
class Model:
    """Recipe of a denoising network: a checkpoint, patches in call order, settings."""

    checkpoint: CheckpointRef
    patches: tuple[LoraPatch, ...] = ()
    settings: ModelSettings = ModelSettings()

    def patched(self, patch: LoraPatch) -> "Model":
        """One patch longer."""
        return replace(self, patches=(*self.patches, patch))


@dataclass(frozen=True, slots=True)
class Clip:
    """Recipe of a text encoder; `last_layer` counts from the end: -1 is the last, None the model's own choice."""

    checkpoint: CheckpointRef
    patches: tuple[LoraPatch, ...] = ()
    last_layer: int | None = None

    def patched(self, patch: LoraPatch) -> "Clip":
        """One patch longer."""
        return replace(self, patches=(*self.patches, patch))


@dataclass(frozen=True, slots=True)
class Vae:
    """Recipe of an image encoder and decoder."""

    checkpoint: CheckpointRef


PIXEL_SPACE = Vae(CheckpointRef(Path("pixel_space"), "pixel_space"))
"""No file: pictures are the latents of models that work on pixels."""


@dataclass(frozen=True, slots=True)
class ControlNet:
    """Recipe of a control network. `pools_residuals`: its residuals are averaged over the picture (shuffle nets)."""

    checkpoint: CheckpointRef
    pools_residuals: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ControlUse:
    """A control network at work on a hint, between two shares of the run (0 is its start, 1 its end).

    Attributes:
        hint: Float[batch height width 3] in 0..1.
        also_negative: a positive conditioning lends it to negatives that have none.
    """

    net: ControlNet
    hint: Tensor
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    vae: Vae | None = None
    also_negative: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in latent units, or in shares of the picture if `relative`."""

    height: float | int
    width: float | int
    y: float | int
    x: float | int
    relative: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Cond:
    """One thing that steers: encoded text, and where, when and how strongly it counts.

    Attributes:
        context: Float[batch token feature]; what cross-attention reads.
        pooled: Float[batch feature] or None.
        mask: Float[batch height width]; None: the whole area.
        start_percent, end_percent: the share of the run in which it counts.
        extra: further entries that packs and workflows carry along.
    """

    context: Tensor
    pooled: Tensor | None = None
    area: Area | None = None
    strength: float = 1.0
    mask: Tensor | None = None
    mask_strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    controls: tuple[ControlUse, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict[str, object])


Conditioning: TypeAlias = tuple[Cond, ...]


def key(value: object) -> str:
    """A hash of a value's content: equal contents have equal keys on every machine.

    Raises:
        TypeError: it holds something whose content cannot be told (code, open files).
    """
    digest = hashlib.blake2b(digest_size=20)
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: "hashlib.blake2b", value: object) -> None:
    if isinstance(value, Tensor):
        whole = value.detach().cpu().contiguous()
        digest.update(f"tensor{tuple(whole.shape)}{whole.dtype}".encode())
        digest.update(whole.reshape(-1).view(torch.uint8).numpy().tobytes())
    elif is_dataclass(value) and not isinstance(value, type):
        digest.update(f"{type(value).__name__}(".encode())
        for entry in fields(value):
            if entry.compare:
                digest.update(f"{entry.name}=".encode())
                _feed(digest, getattr(value, entry.name))
        digest.update(b")")
    elif isinstance(value, tuple | list):
        items = cast("Sequence[object]", value)
        digest.update(f"[{len(items)}".encode())
        for item in items:
            _feed(digest, item)
    elif isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        digest.update(f"{{{len(entries)}".encode())
        for name in sorted(entries, key=str):
            digest.update(f"{name!r}:".encode())
            _feed(digest, entries[name])
    elif value is None or isinstance(value, bool | int | float | str):
        digest.update(f"{type(value).__name__}{value!r};".encode())
    else:
        raise TypeError(f"A {type(value).__name__} has no content that can be hashed.")
