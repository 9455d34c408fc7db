"""What can be changed inside a network while it is asked: attention, blocks, skip connections, layers.

Places are called as in the original layout of U-Nets: input blocks from 0 (the first convolution), one middle block,
output blocks from 0. A downsampler is an input block of its own, an upsampler belongs to the output block before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from typing import Protocol, runtime_checkable

from torch import Tensor


class Kind(Enum):
    """Kinds of changes: a family of networks has places for some of them, and ignores the others."""

    ATTENTION = "attention of a U-Net by place"
    SKIPS = "skip connections"
    BLOCKS = "what the blocks of a U-Net give"
    BETWEEN = "tokens between two attentions"
    LAYERS = "layers left out"
    ALONE = "layers where places do not see each other"
    POSITIONS = "positions of a rotary embedding"
    AWAY = "attention led away from another text"
    WORDS = "further tokens before the text"


class Way(Enum):
    """The parts of a U-Net."""

    INPUT = "input"
    MIDDLE = "middle"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attention is.

    Attributes:
        number: of its block.
        index: which of the transformer blocks there.
        cross: whether it reads the context instead of the latents.
    """

    way: Way
    number: int
    index: int
    cross: bool


@runtime_checkable
class Attention(Protocol):
    """An attention at work: what it was given, and its parts to work with.

    Attributes:
        queries, keys, values: tokens before their projections, Float[batch token feature].
        height, width: of the latents that the network was given.
        sides: to which side of guidance each equal part of the batch belongs (0 positive, 1 negative).
    """

    @property
    def place(self) -> Place: ...
    @property
    def queries(self) -> Tensor: ...
    @property
    def keys(self) -> Tensor: ...
    @property
    def values(self) -> Tensor: ...
    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def sides(self) -> tuple[int, ...]: ...

    def on(self, queries: Tensor, keys: Tensor, values: Tensor) -> "Attention":
        """The same attention given other tokens."""
        ...

    def projected(self) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values after their projections, each Float[batch token inner]."""
        ...

    @property
    def heads(self) -> int:
        """How many heads it has."""
        ...

    def mixed(self) -> Tensor:
        """Values mixed by attention, before the last projection; Float[batch token inner]."""
        ...

    def unmixed(self) -> Tensor:
        """Projected values as they lie, each token its own; Float[batch token inner]."""
        ...

    def scores(self) -> Tensor:
        """How much each query attends to each key, Float[batch head query key]; each row sums to 1."""
        ...

    def out(self, mixed: Tensor) -> Tensor:
        """The last projection, Float[batch token feature]."""
        ...

    def further(self, keys: Tensor, values: Tensor) -> Tensor:
        """What the same queries mix of further values, projected already; Float[batch token inner]."""
        ...

    def adds(self, mixed: Tensor) -> Tensor:
        """By how much more mixed values change what it gives: `out` without its bias."""
        ...


@runtime_checkable
class Attend(Protocol):
    """What an attention gives, the changes after this one included: Float[batch token feature]."""

    def __call__(self, attention: Attention, /) -> Tensor: ...


@runtime_checkable
class AttentionChange(Protocol):
    """Stands before an attention: changes what it is given, or what it gives, or does its work."""

    def __call__(self, attention: Attention, attend: Attend, /) -> Tensor: ...


@runtime_checkable
class BlockChange(Protocol):
    """Changes what an input block, or the middle block, gives; Float[batch channel height width]."""

    def __call__(self, number: int, hidden: Tensor, /) -> Tensor: ...


@runtime_checkable
class BetweenChange(Protocol):
    """Changes tokens between a transformer block's own attention and the one that reads the context."""

    def __call__(self, place: Place, hidden: Tensor, /) -> Tensor:
        """Them again, Float[batch token feature]; `place` is that of the first attention."""
        ...


@dataclass(frozen=True, slots=True)
class Joint:
    """Where the way up takes in a skip connection.

    Attributes:
        number: of the output block.
        width: channels of the network's first layer; blocks have small multiples of it.
    """

    number: int
    width: int


@runtime_checkable
class SkipChange(Protocol):
    """Changes what meets at a joint, before it is put together."""

    def __call__(self, joint: Joint, hidden: Tensor, skip: Tensor, /) -> tuple[Tensor, Tensor]:
        """Both again: what comes from below, and the skip. Float[batch channel height width]."""
        ...


@dataclass(frozen=True, slots=True)
class Layers:
    """Blocks of a diffusion transformer by number: those of two streams, and those of one."""

    double: tuple[int, ...] = ()
    single: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.double or self.single)

    def __add__(self, other: "Layers") -> "Layers":
        return Layers((*self.double, *other.double), (*self.single, *other.single))


@runtime_checkable
class Lead(Protocol):
    """Joins what attention gives for two texts, each Float[batch token inner]."""

    def __call__(self, positive: Tensor, negative: Tensor, /) -> Tensor: ...


@dataclass(frozen=True, slots=True, eq=False)
class Away:
    """A text that the attention of a transformer's positive side is led away from.

    Attributes:
        context: Float[1 token feature]; token_mask: which of it counts, [1 token]; None: all.
        layers: states of a language model's layers, Float[1 layer token feature].
    """

    context: Tensor
    lead: Lead
    token_mask: Tensor | None = None
    layers: Tensor | None = None


@runtime_checkable
class BlockSparing(Protocol):
    """Says at each call whether a transformer's blocks are asked, or what they added last time is added again.

    Attributes:
        after_first: the first block is always asked, and what it adds to the picture decides; else what goes into it.
        kept: what the spared blocks of a list added to each of their streams last time, by list and stream.
    """

    @property
    def after_first(self) -> bool: ...
    @property
    def kept(self) -> dict[tuple[int, str], Tensor]: ...

    def spares(self, picture: Tensor, /) -> bool:
        """Whether the blocks are spared; asked once a call.

        Args:
            picture: Float[batch token feature]: tokens before the first block, or what it adds to them.
        """
        ...

    def learn(self, added: Tensor, /) -> None:
        """Told what all blocks that were asked added to the picture's tokens, Float[batch token feature]."""
        ...


@dataclass(frozen=True, slots=True)
class Positions:
    """Where a transformer's rotary embedding sees the places of each axis: the n-th at `shift + n * scale`."""

    scale_x: float = 1.0
    shift_x: float = 0.0
    scale_y: float = 1.0
    shift_y: float = 0.0
    scale_t: float = 1.0
    shift_t: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class NetworkChanges:
    """What guidance and patches change inside a network while it is asked; each kind in the order of its nodes.

    Attributes:
        attention: the first one stands before all others.
        before_skip, after_skip: what an input block gives, before or after it is kept for the way up.
        middle: what the middle block gives.
        left_out: layers of a transformer that hand on what they are given; a U-Net has none.
        between: what is done between the two attentions of each block of a U-Net's transformers.
        positions: of a transformer's rotary embedding; None: as they are. A U-Net has none.
        alone: layers of a transformer where each place of the picture sees the text and itself alone.
        away: a text that a transformer's attention is led away from; the last one counts.
        sparing: says whether a transformer's blocks are asked; the last one counts.
        words: tokens that are read before the text, at the transformer's own width, each Float[1 token inner].
    """

    skips: Sequence[SkipChange] = ()
    attention: Sequence[AttentionChange] = ()
    before_skip: Sequence[BlockChange] = ()
    after_skip: Sequence[BlockChange] = ()
    middle: Sequence[BlockChange] = ()
    left_out: Layers = Layers()
    between: Sequence[BetweenChange] = ()
    positions: Positions | None = None
    alone: Layers = Layers()
    away: Away | None = None
    sparing: BlockSparing | None = None
    words: Sequence[Tensor] = ()

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return self is not NO_CHANGES and any(bool(getattr(self, entry.name)) for entry in fields(self))

    @property
    def resizes(self) -> bool:
        """Whether blocks may come to have other sizes than they had in training."""
        return bool(self.before_skip or self.after_skip)

    def __add__(self, other: "NetworkChanges") -> "NetworkChanges":
        if other is NO_CHANGES or self is NO_CHANGES:
            return self if other is NO_CHANGES else other
        return NetworkChanges(
            skips=(*self.skips, *other.skips),
            attention=(*self.attention, *other.attention),
            before_skip=(*self.before_skip, *other.before_skip),
            after_skip=(*self.after_skip, *other.after_skip),
            middle=(*self.middle, *other.middle),
            left_out=self.left_out + other.left_out,
            between=(*self.between, *other.between),
            positions=self.positions if other.positions is None else other.positions,
            alone=self.alone + other.alone,
            away=self.away if other.away is None else other.away,
            sparing=self.sparing if other.sparing is None else other.sparing,
            words=(*self.words, *other.words),
        )


NO_CHANGES = NetworkChanges()
