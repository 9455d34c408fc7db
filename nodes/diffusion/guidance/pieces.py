"""Conditions to calls of a network: each on its rectangle, joined where one call can answer several.

Each side's answers are averaged by weight (strength, mask, area); what becomes of the sides is for `rules` to say.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.conditions import NOTHING_GIVEN, Given, fit_together, inputs_of, together
from nodes.diffusion.denoiser import (
    NO_INPUTS,
    ControlNetwork,
    Network,
    NetworkInputs,
    Residuals,
    denoised_from,
    network_input,
)
from nodes.diffusion.errors import DiffusionError, NothingSaid
from nodes.diffusion.gligen import BOXES, Boxes, FindPlaces
from nodes.diffusion.hooks import passed_with, patches_of
from nodes.diffusion.regions import (
    Rectangle,
    bounded,
    common_length,
    for_batch,
    matched,
    rectangle,
    weight,
)
from nodes.diffusion.values import (
    Cond,
    Conditioning,
    ControlNet,
    ControlUse,
    HookGroup,
    Latents,
    LoraPatch,
    Sigma,
    Span,
)

TINY = 1e-37  # keeps places that no condition covers at 0
MOST_READ = 16  # contexts that are kept where the network computes
BYTES_PER_LATENT = (
    2**17
)  # of memory that a call needs for each place of the latents, as a U-Net in half precision does
WIDEST_REPEAT = 4  # contexts are repeated to a common length up to this ratio

FindControl = Callable[[ControlNet], ControlNetwork]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """One condition on one rectangle: what the network is asked, and how much its answer counts there."""

    side: int  # 0 positive, 1 negative
    cond: Cond
    place: Rectangle
    weight: Tensor  # Float[batch 1 height width] of the rectangle
    inputs: NetworkInputs = NO_INPUTS


@runtime_checkable
class Room(Protocol):
    """Says for how many items of a batch a call of the network has room."""

    def __call__(self, latents: Tensor) -> int:
        """As many as there is memory for, of the size of these latents [batch channel height width]; at least 1."""
        ...


@dataclass(slots=True, eq=False)
class Conditioned:
    """A network asked under conditions: what it estimates for each side.

    Which conditions go through the network in one call can change the last bits of an answer. On a processor that is
    settled by the conditions alone, so that results are the same whatever memory is free; elsewhere by `room` too.

    Attributes:
        controls: finds the loaded network of a control recipe; needed where a condition has controls.
        room: None: what the device has free.
        hooked: the network with further patches; needed where a condition has hooks.
        places: finds what tells the network of boxes; needed where a condition has some.
        given: what the run says beside its conditions.
        calls: of the last estimate, for each call of the network, the sides it was asked about in the batch's order.
    """

    network: Network
    controls: FindControl | None = None
    room: Room | None = None
    hooked: Callable[[tuple[LoraPatch, ...]], Network] | None = None
    given: Given = NOTHING_GIVEN
    places: FindPlaces | None = None
    calls: tuple[tuple[int, ...], ...] = ()
    _hints: dict[tuple[int, int, int], Tensor] = field(default_factory=dict[tuple[int, int, int], Tensor])
    _read: dict[tuple[int, ...], tuple[tuple[Tensor, ...], Tensor]] = field(
        default_factory=dict[tuple[int, ...], tuple[tuple[Tensor, ...], Tensor]]
    )  # contexts as calls read them
    _passed: list[float] = field(
        default_factory=list[float]
    )  # sigmas of this run so far, for hooks' keyframes

    def sides(
        self,
        latents: Latents,
        sigma: Sigma,
        sides: Sequence[Conditioning],
        changes: NetworkChanges = NO_CHANGES,
    ) -> Sequence[Latents]:
        """The denoised estimate of each side; zeros for a side that has no active condition.

        Args:
            sides: the positive conditions first, then the negative ones.
            changes: what is done inside the network meanwhile.

        Raises:
            NothingSaid: there is no positive condition at all.
        """
        if not sides[0]:
            raise NothingSaid
        self._passed = passed_with(self._passed, float(sigma))
        totals = [torch.zeros_like(latents) for _ in sides]
        weights = [torch.full_like(latents, TINY) for _ in sides]
        pieces = self._pieces(latents, float(sigma), sides)
        calls: list[tuple[int, ...]] = []
        for group in self._groups(pieces, latents):
            calls.append(tuple(piece.side for piece in group))
            for piece, predicted in zip(group, self._ask(group, latents, sigma, changes), strict=True):
                piece.place.cut(totals[piece.side]).add_(predicted * piece.weight)
                piece.place.cut(weights[piece.side]).add_(piece.weight)
        self.calls = tuple(calls)
        return [total / weighed for total, weighed in zip(totals, weights, strict=True)]

    def _pieces(self, latents: Latents, sigma: float, sides: Sequence[Conditioning]) -> Sequence[_Piece]:
        height, width = latents.shape[-2:]
        lent = [sides[0], *(with_lent_controls(side, sides[0]) for side in sides[1:])]
        whole = [tuple(bounded(cond, height, width) for cond in side) for side in lent]
        if len(whole) == 2:
            positive, negative = whole
            whole = [matched(positive, negative, height, width), matched(negative, positive, height, width)]
        pieces: list[_Piece] = []
        for index, side in enumerate(whole):
            active = [
                cond for cond in side if self._within(cond.span, sigma) and self._within(cond.read_for, sigma)
            ]
            placed = [
                _Piece(index, cond, rectangle(cond.area, height, width), weight(cond, latents))
                for cond in active
                if not cond.fills
            ]
            pieces += placed
            pieces += _filling(index, [cond for cond in active if cond.fills], placed, latents)
        return pieces

    def _groups(self, pieces: Sequence[_Piece], latents: Latents) -> Iterator[Sequence[_Piece]]:
        """Pieces by the call that answers them, none larger than there is room for."""
        form = self.network.latent_format
        read = [inputs_of(piece.cond, piece.side, latents, piece.place, form, self.given) for piece in pieces]
        for group in grouped([replace(piece, inputs=one) for piece, one in zip(pieces, read, strict=True)]):
            most = len(group)
            if self.room is not None or latents.device.type != "cpu":
                room = (self.room or free_room)(group[0].place.cut(latents))
                most = max(1, room // len(latents))
            for start in range(0, len(group), most):
                yield group[start : start + most]

    def _ask(
        self, group: Sequence[_Piece], latents: Latents, sigma: Sigma, changes: NetworkChanges
    ) -> Sequence[Tensor]:
        """One call of the network for pieces that fit together; their denoised estimates."""
        noisy = torch.cat([piece.place.cut(latents) for piece in group])
        count, batch = len(group), len(latents)
        kind, dtype = self.network.parametrisation, self.network.dtype
        timestep = self.network.levels.timestep(sigma.reshape(1)).float().expand(count * batch)
        timestep = timestep.to(noisy.device, non_blocking=True)  # a card is not waited for
        context = self._context([piece.cond.context for piece in group], batch)
        scaled = network_input(kind, noisy, sigma).to(dtype)
        residuals = None
        if group[0].cond.controls:
            steering = self._context([_control_context(piece.cond) for piece in group], batch)
            residuals = self._residuals(group[0].cond.controls, scaled, timestep, steering, float(sigma))
        inputs = together(
            [piece.inputs for piece in group],
            tuple(hash((piece.side, id(piece.cond.context), piece.place)) for piece in group),
            tuple(piece.side for piece in group),
        )
        boxes = group[0].cond.extra.get(BOXES)
        if isinstance(boxes, Boxes):
            changes = changes + self._told(boxes, scaled)
        predicted = self._with_hooks(group[0].cond.hooks)(
            scaled, timestep, context, residuals=residuals, inputs=inputs, changes=changes
        ).float()
        return denoised_from(kind, noisy, sigma, predicted, timestep).chunk(count)

    def _told(self, boxes: Boxes, latents: Tensor) -> NetworkChanges:
        if self.places is None:
            raise DiffusionError(
                "A prompt has boxes (GLIGEN), which this model cannot be told of.",
                "Use a model of the Stable Diffusion 1 family, or leave out GLIGENTextBoxApply.",
            )
        return self.places(boxes.model).changes(boxes.boxes, latents)

    def _context(self, contexts: Sequence[Tensor], batch: int) -> Tensor:
        """What a call reads of its conditions, where and as the network computes; the same at every step."""
        named = (batch, *map(id, contexts))
        if named not in self._read:
            if len(self._read) >= MOST_READ:
                self._read.clear()
            joined = torch.cat(common_length([for_batch(context, batch) for context in contexts]))
            made = joined.to(self.network.device, self.network.dtype)
            self._read[named] = (
                tuple(contexts),
                made,
            )  # what was joined lives on, so that no other gets its id
        return self._read[named][1]

    def _with_hooks(self, hooks: HookGroup | None) -> Network:
        """The network as it is while conditions with these hooks are computed."""
        if hooks is None:
            return self.network
        patches = patches_of(hooks, self.network.levels, self._passed)
        if not patches:
            return self.network
        if self.hooked is None:
            raise ValueError("A condition has hooks, but nothing was given that loads them.")
        return self.hooked(patches)

    def _residuals(
        self, uses: Sequence[ControlUse], scaled: Tensor, timestep: Tensor, context: Tensor, sigma: float
    ) -> Residuals | None:
        total: Residuals | None = None
        for use in uses:
            if use.strength == 0.0 or not self._within(Span(use.start_percent, use.end_percent), sigma):
                continue
            if self.controls is None:
                raise ValueError("A condition has a control network, but nothing was given that loads it.")
            find = self.controls
            hint = for_batch(self._hint(use, scaled), len(scaled)).to(scaled.device, scaled.dtype)
            made = find(use.net)(scaled, timestep, context, hint).scaled(use.strength)
            total = made if total is None else total + made
        return total

    def _hint(self, use: ControlUse, scaled: Tensor) -> Tensor:
        height, width = scaled.shape[-2:]
        pixels = self.network.latent_format.pixels
        place = (id(use), height, width)
        if place not in self._hints:
            self._hints[place] = fitted_hint(use.hint, width * pixels, height * pixels)
        return self._hints[place]

    def _within(self, span: Span | None, sigma: float) -> bool:
        levels = self.network.levels
        return span is None or levels.at_percent(span.end) <= sigma <= levels.at_percent(span.start)


def with_lent_controls(negative: Conditioning, positive: Conditioning) -> Conditioning:
    """Negative conditions without controls take those that the positive ones lend, in order, from the start again."""
    lent = [uses for cond in positive if (uses := tuple(use for use in cond.controls if use.also_negative))]
    if not lent:
        return negative
    bare = [index for index, cond in enumerate(negative) if not cond.controls]
    taken = {index: lent[turn % len(lent)] for turn, index in enumerate(bare)}
    return tuple(
        replace(cond, controls=taken[index]) if index in taken else cond
        for index, cond in enumerate(negative)
    )


def fitted_hint(hint: Tensor, width: int, height: int) -> Tensor:
    """A hint [B, H, W, 3] at the picture's size as [B, 3, height, width]: cut to its aspect, nearest pixels."""
    planes = hint.movedim(-1, 1)
    old_height, old_width = planes.shape[-2:]
    old, new = old_width / old_height, width / height
    if old > new:
        cut = round((old_width - old_width * (new / old)) / 2)
        planes = planes[..., cut : old_width - cut]
    elif old < new:
        cut = round((old_height - old_height * (old / new)) / 2)
        planes = planes[..., cut : old_height - cut, :]
    return F.interpolate(planes, (height, width), mode="nearest-exact")


def _filling(
    side: int, conds: Sequence[Cond], others: Sequence[_Piece], latents: Latents
) -> Sequence[_Piece]:
    """What counts where the other conditions of its side leave room: as much as they lack to 1."""
    if not conds:
        return []
    height, width = latents.shape[-2:]
    left = latents.new_ones(len(latents), 1, height, width)
    for piece in others:
        piece.place.cut(left).sub_(piece.weight)
    left.clamp_(min=0.0)
    whole = rectangle(None, height, width)
    return [_Piece(side, cond, whole, left) for cond in conds] if bool(left.any()) else []


def _control_context(cond: Cond) -> Tensor:
    """The text that control networks read: their own, if somebody gave them one."""
    own = cond.extra.get("cross_attn_controlnet")
    return own if isinstance(own, Tensor) else cond.context


def grouped(pieces: Sequence[_Piece]) -> Sequence[Sequence[_Piece]]:
    """Pieces that one call can answer: rectangles of one size, equal controls, contexts of joinable lengths.

    Within a group the negative side comes first, as the field batches it.
    """
    groups: list[list[_Piece]] = []
    for piece in pieces:
        home = next((group for group in groups if all(_fits(other, piece) for other in group)), None)
        if home is None:
            groups.append([piece])
        else:
            home.insert(0, piece)
    return groups


def free_room(latents: Tensor) -> int:
    """For how many items of such latents a CUDA device has memory free, with half as much again for safety."""
    if latents.device.type != "cuda":
        return len(latents)
    free, _ = torch.cuda.mem_get_info(latents.device)
    each = latents.shape[-2:].numel() * BYTES_PER_LATENT
    return max(1, int(free / (each * 1.5)))


def _fits(one: _Piece, other: _Piece) -> bool:
    if one.weight.shape != other.weight.shape or _uses(one.cond) != _uses(other.cond):
        return False
    if one.cond.hooks != other.cond.hooks or one.cond.extra.get(BOXES) is not other.cond.extra.get(BOXES):
        return False
    if not fit_together(one.inputs, other.inputs):
        return False
    for ours, theirs in (
        (one.cond.context, other.cond.context),
        (_control_context(one.cond), _control_context(other.cond)),
    ):
        lengths = ours.shape[1], theirs.shape[1]
        if ours.shape[-1] != theirs.shape[-1] or math.lcm(*lengths) // min(lengths) > WIDEST_REPEAT:
            return False
    return True


def _uses(cond: Cond) -> tuple[tuple[object, ...], ...]:
    return tuple(
        (use.net, id(use.hint), use.strength, use.start_percent, use.end_percent) for use in cond.controls
    )
