"""What a network is asked of conditions: pieces of latents, the calls that answer them, and how answers are averaged.

All of it stays the same from step to step, as long as the same conditions are active.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from nodes.diffusion.conditions import fit_together, item_of, together
from nodes.diffusion.denoiser import NO_INPUTS, AskedApart, Network, NetworkInputs
from nodes.diffusion.gligen import BOXES
from nodes.diffusion.regions import Rectangle, common_length, for_batch, rectangle
from nodes.diffusion.values import Cond, Conditioning, Latents

TINY = 1e-37  # keeps places that no condition covers at 0
BYTES_PER_LATENT = (
    2**17
)  # of memory that a call needs for each place of the latents, as a U-Net in half precision does
WIDEST_REPEAT = 4  # contexts are repeated to a common length up to this ratio


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One condition on one rectangle: what the network is asked, and how much its answer counts there."""

    side: int  # its number among those that are asked
    cond: Cond
    place: Rectangle
    weight: Tensor  # Float[batch 1 height width] of the rectangle
    inputs: NetworkInputs = NO_INPUTS
    role: int = 0  # 0 positive, 1 negative
    tag: int = 0  # tells apart what is asked of the same condition in other ways
    number: int = 0  # of the condition in its side, whether all of them count or not


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What a network is asked at once.

    Attributes:
        pieces: each an equal part of the batch.
        item: of the latents' batch; None: all.
        context: what the network reads. steering: what control networks read; None where there are none.
    """

    pieces: Sequence[Piece]
    item: int | None
    context: Tensor
    steering: Tensor | None
    inputs: NetworkInputs


@runtime_checkable
class Room(Protocol):
    """Says for how many items of a batch a call of the network has room."""

    def __call__(self, latents: Tensor) -> int:
        """As many as there is memory for, of the size of these latents [batch channel height width]; at least 1."""
        ...


@dataclass(slots=True, eq=False)
class Plan:
    """Pieces of some sides, in groups that fit together."""

    sides: Sequence[Conditioning]
    pieces: Sequence[Piece]
    groups: Sequence[Sequence[Piece]]
    order: Sequence[Piece] = ()  # in which a network answers that is asked apart, whatever the groups
    _calls: dict[tuple[Piece, ...], Sequence[Call]] = field(
        default_factory=dict[tuple[Piece, ...], Sequence[Call]]
    )
    _weights: dict[int, Tensor | None] = field(default_factory=dict[int, Tensor | None])

    @property
    def alone(self) -> Sequence[Sequence[Piece]]:
        """Each piece as a group of its own, in order."""
        return [[piece] for piece in self.order]

    def calls(self, group: Sequence[Piece], network: Network) -> Sequence[Call]:
        """The calls that answer a group or a part of one: one for all, or one for each item of each piece in order."""
        named = tuple(group)
        if named not in self._calls:
            if isinstance(network, AskedApart) and network.apart:
                items = range(len(group[0].weight))
                self._calls[named] = [_call([piece], item, network) for piece in group for item in items]
            else:
                self._calls[named] = [_call(group, None, network)]
        return self._calls[named]

    def averaged(self, answers: Mapping[Piece, Tensor], latents: Latents) -> Sequence[Latents]:
        """Each side's answers by weight, summed in the order of its conditions; zeros where nothing was asked."""
        return [self._average(side, answers, latents) for side in range(len(self.sides))]

    def _average(self, side: int, answers: Mapping[Piece, Tensor], latents: Latents) -> Latents:
        pieces = [piece for piece in self.pieces if piece.side == side]
        if side not in self._weights:
            self._weights[side] = _weighed(pieces, latents)
        weights = self._weights[side]
        if weights is None:
            return answers[pieces[0]]
        total = torch.zeros_like(latents)
        for piece in pieces:
            piece.place.cut(total).add_(answers[piece] * piece.weight)
        return total / weights


def _weighed(pieces: Sequence[Piece], latents: Latents) -> Tensor | None:
    """The sum of the pieces' weights, Float[batch 1 height width]; None for a single one that is 1 everywhere."""
    height, width = latents.shape[-2:]
    whole = rectangle(None, height, width)
    if len(pieces) == 1 and pieces[0].place == whole and bool((pieces[0].weight == 1.0).all()):
        return None
    weights = torch.full_like(latents[:, :1], TINY)
    for piece in pieces:
        piece.place.cut(weights).add_(piece.weight)
    return weights


def _call(pieces: Sequence[Piece], item: int | None, network: Network) -> Call:
    batch = len(pieces[0].weight)

    def joined(contexts: Sequence[Tensor]) -> Tensor:
        read = torch.cat(common_length([of_items(context, batch, item) for context in contexts]))
        return read.to(network.device, network.dtype)

    inputs = [piece.inputs if item is None else item_of(piece.inputs, item) for piece in pieces]
    conds = tuple(
        hash((piece.side, piece.number, id(piece.cond.context), piece.place, item, piece.tag))
        for piece in pieces
    )
    return Call(
        pieces,
        item,
        joined([piece.cond.context for piece in pieces]),
        joined([control_context(piece.cond) for piece in pieces]) if pieces[0].cond.controls else None,
        replace(together(inputs, conds, tuple(piece.role for piece in pieces)), item=item),
    )


def of_items(tensor: Tensor, batch: int, item: int | None) -> Tensor:
    """What each item of a batch is told, or one of them: from the start again where there are fewer."""
    whole = for_batch(tensor, batch)
    return whole if item is None else whole[item : item + 1]


def filling(side: int, conds: Sequence[Cond], others: Sequence[Piece], latents: Latents) -> Sequence[Piece]:
    """What counts where the other conditions of its side leave room: as much as they lack to 1."""
    if not conds:
        return []
    height, width = latents.shape[-2:]
    left = torch.ones_like(latents[:, :1])
    for piece in others:
        piece.place.cut(left).sub_(piece.weight)
    left.clamp_(min=0.0)
    whole = rectangle(None, height, width)
    return [Piece(side, cond, whole, left) for cond in conds] if bool(left.any()) else []


def control_context(cond: Cond) -> Tensor:
    """The text that control networks read: their own, if somebody gave them one."""
    own = cond.extra.get("cross_attn_controlnet")
    return own if isinstance(own, Tensor) else cond.context


def grouped(pieces: Sequence[Piece]) -> Sequence[Sequence[Piece]]:
    """Pieces that one call can answer: rectangles of one size, equal controls, contexts of joinable lengths.

    Within a group the negative side comes first, as the field batches it.
    """
    groups: list[list[Piece]] = []
    for piece in pieces:
        home = next((group for group in groups if all(_fits(other, piece) for other in group)), None)
        if home is None:
            groups.append([piece])
        else:
            home.insert(0, piece)
    return groups


def by_length(group: Sequence[Piece]) -> Sequence[Sequence[Piece]]:
    """A group in parts whose texts have as many tokens each."""
    parts: dict[int, list[Piece]] = {}
    for piece in group:
        parts.setdefault(piece.cond.context.shape[1], []).append(piece)
    return list(parts.values())


def free_room(latents: Tensor) -> int:
    """For how many items of such latents a CUDA device has memory free, with half as much again for safety."""
    if latents.device.type != "cuda":
        return len(latents)
    free, _ = torch.cuda.mem_get_info(latents.device)
    each = latents.shape[-2:].numel() * BYTES_PER_LATENT
    return max(1, int(free / (each * 1.5)))


def _fits(one: Piece, other: Piece) -> bool:
    if one.weight.shape != other.weight.shape or _uses(one.cond) != _uses(other.cond):
        return False
    if one.cond.hooks != other.cond.hooks or one.cond.extra.get(BOXES) is not other.cond.extra.get(BOXES):
        return False
    if not fit_together(one.inputs, other.inputs):
        return False
    for ours, theirs in (
        (one.cond.context, other.cond.context),
        (control_context(one.cond), control_context(other.cond)),
    ):
        lengths = ours.shape[1], theirs.shape[1]
        if ours.shape[-1] != theirs.shape[-1] or math.lcm(*lengths) // min(lengths) > WIDEST_REPEAT:
            return False
    return True


def _uses(cond: Cond) -> tuple[tuple[object, ...], ...]:
    return tuple(
        (use.net, id(use.hint), id(use.mask), use.vae, use.strength, use.start_percent, use.end_percent)
        for use in cond.controls
    )
