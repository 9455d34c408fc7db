"""Conditions to answers of a network: each on its rectangle, joined where one call can answer several.

Each side's answers are averaged by weight (strength, mask, area); what becomes of the sides is for `rules` to say.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.conditions import NOTHING_GIVEN, Given, inputs_of
from nodes.diffusion.denoiser import (
    AskedApart,
    ControlNetwork,
    Denoising,
    Network,
    Residuals,
    StrongControl,
    denoising,
    network_input,
)
from nodes.diffusion.errors import DiffusionError, NothingSaid
from nodes.diffusion.gligen import BOXES, Boxes, FindPlaces, without_boxes
from nodes.diffusion.guidance.planning import (
    Call,
    Piece,
    Plan,
    Room,
    by_length,
    filling,
    free_room,
    grouped,
    of_items,
)
from nodes.diffusion.hooks import passed_with, patches_of
from nodes.diffusion.regions import all_matched, bounded, rectangle, weight
from nodes.diffusion.values import (
    Cond,
    Conditioning,
    ControlUse,
    HookGroup,
    HookPatch,
    Latents,
    Sigma,
    Span,
)

POSITIVE = 0
MOST_PLANS = 16  # that are kept: of other conditions, or other parts of the run

FindControl = Callable[[ControlUse, Network], ControlNetwork]  # beside the network that it steers
Grouping = Callable[[Sequence[Piece]], Sequence[Sequence[Piece]]]


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What all calls of one estimate have in common.

    Attributes:
        scaled: the noisy latents as the network reads them.
        level: sigma as a number. timestep: Float[1], where the network computes.
    """

    latents: Latents
    scaled: Tensor
    sigma: Sigma
    level: float
    timestep: Tensor
    changes: NetworkChanges


@dataclass(slots=True, eq=False)
class Conditioned:
    """A network asked under conditions: what it estimates for each side.

    Conditions are grouped by what one call can answer, as far as there is room. Where the network is `AskedApart`, as on a
    processor, the items of all groups are asked one after the other, in an order of their own: an answer, and what a cache
    makes of it, is the same to the bit whatever it is grouped with, and every image of a batch is that of a run of its own.
    Elsewhere groupings differ by rounding.

    Attributes:
        controls: finds the loaded network of a control; needed where a condition has controls.
        room: None: what the device has free; on a processor all there is.
        hooked: the network with further patches; needed where a condition has hooks.
        places: finds what tells the network of boxes; needed where a condition has some.
        given: what the run says beside its conditions.
        grouping: which pieces go together.
        joint: the network attends over text and picture together, so that no text may be repeated to another's length.
        uses: control networks that the model has beside those of its conditions.
        calls: of the last estimate, for each group, the sides it was asked about in its order.
    """

    network: Network
    controls: Callable[[ControlUse], ControlNetwork] | None = None
    room: Room | None = None
    hooked: Callable[[tuple[HookPatch, ...]], Network] | None = None
    given: Given = NOTHING_GIVEN
    places: FindPlaces | None = None
    grouping: Grouping = grouped
    joint: bool = False
    uses: tuple[ControlUse, ...] = ()
    calls: tuple[tuple[int, ...], ...] = ()
    _hints: dict[tuple[int, int, int], Tensor] = field(default_factory=dict[tuple[int, int, int], Tensor])
    _plans: dict[tuple[object, ...], Plan] = field(default_factory=dict[tuple[object, ...], Plan])
    _prepared: dict[object, tuple[Sequence[Conditioning], Sequence[Conditioning]]] = field(
        default_factory=dict[object, tuple[Sequence[Conditioning], Sequence[Conditioning]]]
    )
    _percents: dict[float, float] = field(default_factory=dict[float, float])
    _passed: list[float] = field(
        default_factory=list[float]
    )  # sigmas of this run so far, for hooks' keyframes
    _apart: bool = field(init=False)
    _denoises: bool = field(init=False)

    def __post_init__(self) -> None:
        self._apart = isinstance(self.network, AskedApart) and self.network.apart
        self._denoises = _denoises(self.network)

    def sides(
        self,
        latents: Latents,
        sigma: Sigma,
        sides: Sequence[Conditioning],
        changes: NetworkChanges = NO_CHANGES,
        roles: Sequence[int] | None = None,
        tag: int = 0,
    ) -> Sequence[Latents]:
        """The denoised estimate of each side; zeros for a side that has no active condition.

        Args:
            sides: the positive conditions first, then the negative ones.
            changes: what is done inside the network meanwhile.
            roles: of each side, 0 positive and 1 negative; None: the first is positive, the second negative.
            tag: tells apart what is asked of the same conditions in other ways.

        Raises:
            NothingSaid: there is no positive condition at all.
            DiffusionError: a condition counts in a place outside the latents.
        """
        asked_as = tuple(range(len(sides)) if roles is None else roles)
        if asked_as[0] == POSITIVE and not sides[0]:
            raise NothingSaid
        level = float(sigma)
        self._passed = passed_with(self._passed, level)
        kind, levels = self.network.parametrisation, self.network.levels
        timestep = levels.timestep(sigma.reshape(1))
        timestep = timestep.to(latents.device, torch.float32, non_blocking=True)  # a card is not waited for
        scaled = network_input(kind, latents, sigma).to(self.network.dtype)
        asked = _Asked(latents, scaled, sigma, level, timestep, changes)
        plan = self._plan(latents, level, sides, asked_as, tag)
        answers: dict[Piece, Tensor] = {}
        asked_of = list(self._within_room(plan, latents))
        self.calls = tuple(tuple(piece.side for piece in group) for group in asked_of)
        if self._apart:
            asked_of = plan.alone
        clean = denoising(kind, sigma, timestep)
        for group in asked_of:
            for piece, predicted in zip(group, self._ask(plan, group, asked), strict=True):
                answers[piece] = predicted if self._denoises else clean(piece.place.cut(latents), predicted)
        return plan.averaged(answers, latents)

    def prepared(self, sides: Sequence[Conditioning], latents: Latents) -> Sequence[Conditioning]:
        """Sides as they are asked together: controls lent by the first one, no boxes beside some, each other's rectangles.

        Each can then be asked alone, and answers as among the others. The same ones stay the same values in a run.
        """
        named = latents.shape[-2:], tuple(tuple(map(id, side)) for side in sides)
        if named not in self._prepared:
            height, width = latents.shape[-2:]
            first = sides[0]
            lent = [
                first,
                *(without_boxes(with_lent_controls(side, first), first) for side in sides[1:]),
            ]
            whole = [tuple(bounded(cond, height, width) for cond in side) for side in lent]
            made = all_matched(whole, height, width)
            self._prepared[named] = tuple(sides), made  # what was given lives on, so that ids stay its own
        return self._prepared[named][1]

    def _plan(
        self,
        latents: Latents,
        level: float,
        sides: Sequence[Conditioning],
        roles: tuple[int, ...],
        tag: int,
    ) -> Plan:
        """What is asked of these conditions at a noise level; the same as long as the same ones are active."""
        named = (
            roles,
            tag,
            latents.shape,
            latents.device,
            tuple(tuple((id(cond), self._active(cond, level)) for cond in side) for side in sides),
        )
        if named not in self._plans:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            form = self.network.latent_format
            pieces = [
                replace(
                    piece,
                    inputs=inputs_of(
                        piece.cond, max(piece.side, roles[piece.side]), latents, piece.place, form, self.given
                    ),
                    role=roles[piece.side],
                    tag=tag,
                )
                for piece in self._pieces(latents, level, sides)
            ]
            # the sides live on with the plan, so that no other condition gets their ids
            groups = self._parted(self.grouping(pieces))
            order = [piece for group in self._parted(grouped(pieces)) for piece in group]
            self._plans[named] = Plan(tuple(sides), pieces, groups, order)
        return self._plans[named]

    def _parted(self, groups: Sequence[Sequence[Piece]]) -> Sequence[Sequence[Piece]]:
        return [part for group in groups for part in by_length(group)] if self.joint else groups

    def _pieces(self, latents: Latents, sigma: float, sides: Sequence[Conditioning]) -> Sequence[Piece]:
        height, width = latents.shape[-2:]
        pieces: list[Piece] = []
        for index, side in enumerate(self.prepared(sides, latents)):
            active = [(number, cond) for number, cond in enumerate(side) if self._active(cond, sigma)]
            placed = [
                Piece(index, cond, rectangle(cond.area, height, width), weight(cond, latents), number=number)
                for number, cond in active
                if not cond.fills
            ]
            pieces += placed
            fills = [(number, cond) for number, cond in active if cond.fills]
            filled = filling(index, [cond for _, cond in fills], placed, latents)
            pieces += [
                replace(piece, number=number) for (number, _), piece in zip(fills, filled, strict=False)
            ]
        return pieces

    def _within_room(self, plan: Plan, latents: Latents) -> Iterator[Sequence[Piece]]:
        """The plan's groups, none larger than there is room for."""
        for group in plan.groups:
            most = len(group)
            if self.room is not None or latents.device.type != "cpu":
                room = (self.room or free_room)(group[0].place.cut(latents))
                most = max(1, room // len(latents))
            for start in range(0, len(group), most):
                yield group[start : start + most]

    def _ask(self, plan: Plan, group: Sequence[Piece], asked: _Asked) -> Sequence[Tensor]:
        """What the network predicts for each piece of a group."""
        network = self._with_hooks(group[0].cond.hooks)
        calls = plan.calls(group, network)
        predicted = [self._predicted(network, call, asked) for call in calls]
        if calls[0].item is None:
            return predicted[0].chunk(len(group))
        batch = asked.latents.shape[0]
        if batch == 1:
            return predicted
        return [torch.cat(predicted[start : start + batch]) for start in range(0, len(predicted), batch)]

    def _predicted(self, network: Network, call: Call, asked: _Asked) -> Tensor:
        """One call of the network; float32."""
        chosen = asked.scaled
        if call.item is not None and chosen.shape[0] > 1:
            chosen = chosen[call.item : call.item + 1]
        cut = [piece.place.cut(chosen) for piece in call.pieces]
        scaled = cut[0].contiguous() if len(cut) == 1 else torch.cat(cut)
        count = scaled.shape[0]
        timestep = asked.timestep if count == 1 else asked.timestep.expand(count)
        residuals = None
        if call.steering is not None or self.uses:
            context = call.context if call.steering is None else call.steering
            residuals = self._residuals(call, scaled, timestep, context, asked)
        boxes, changes = call.pieces[0].cond.extra.get(BOXES), asked.changes
        if isinstance(boxes, Boxes) and self._tells(boxes, asked.level):
            changes = changes + self._told(boxes, scaled)
        if self._denoises if network is self.network else _denoises(network):
            noisy = asked.latents if call.item is None else asked.latents[call.item : call.item + 1]
            scaled = torch.cat([piece.place.cut(noisy) for piece in call.pieces])
        answer = network(
            scaled, timestep, call.context, residuals=residuals, inputs=call.inputs, changes=changes
        )
        return answer if answer.dtype is torch.float32 else answer.float()

    def _tells(self, boxes: Boxes, level: float) -> bool:
        return not boxes.spans or any(self._within(span, level) for span in boxes.spans)

    def _told(self, boxes: Boxes, latents: Tensor) -> NetworkChanges:
        if self.places is None:
            raise DiffusionError(
                "A prompt has boxes (GLIGEN), which this model cannot be told of.",
                "Use a model of the Stable Diffusion 1 family, or leave out GLIGENTextBoxApply.",
            )
        return self.places(boxes.model).changes(boxes.boxes, latents)

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
        self, call: Call, scaled: Tensor, timestep: Tensor, context: Tensor, asked: _Asked
    ) -> Residuals | None:
        total: Residuals | None = None
        for use in (*self.uses, *call.pieces[0].cond.controls):
            span = Span(use.start_percent, use.end_percent)
            if use.strength == 0.0 or not self._within(span, asked.level):
                continue
            if self.controls is None:
                raise ValueError("A condition has a control network, but nothing was given that loads it.")
            net = self.controls(use)
            hint = of_items(self._hint(use, net, scaled), len(asked.latents), call.item)
            hint = hint.repeat(len(call.pieces), 1, 1, 1).to(scaled.device, scaled.dtype)
            if isinstance(net, StrongControl):
                made = net.at_strength(use.strength)(scaled, timestep, context, hint, call.inputs)
            else:
                made = net(scaled, timestep, context, hint, call.inputs).scaled(use.strength)
            total = made if total is None else total + made
        return total

    def _hint(self, use: ControlUse, net: ControlNetwork, scaled: Tensor) -> Tensor:
        height, width = scaled.shape[-2:]
        place = (id(use), height, width)
        if place not in self._hints:
            self._hints[place] = net.hint(use, height, width, self.network.latent_format)
        return self._hints[place]

    def _active(self, cond: Cond, sigma: float) -> bool:
        return self._within(cond.span, sigma) and self._within(cond.read_for, sigma)

    def _within(self, span: Span | None, sigma: float) -> bool:
        return span is None or self._at_percent(span.end) <= sigma <= self._at_percent(span.start)

    def _at_percent(self, percent: float) -> float:
        if percent not in self._percents:
            self._percents[percent] = self.network.levels.at_percent(percent)
        return self._percents[percent]


def _denoises(network: Network) -> bool:
    return isinstance(network, Denoising) and network.denoises


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
