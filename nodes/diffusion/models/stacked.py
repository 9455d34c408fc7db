"""Changes inside a diffusion transformer of diffusers while it is asked: put on before a call, gone after it.

Layers are left out by handing on what they are given. Attention is changed where its values are mixed, which every class
leaves to `torch.nn.functional.scaled_dot_product_attention`: no class's own way of projecting and turning is repeated here.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nodes.diffusion.changes import NO_CHANGES, Away, Layers, Lead, NetworkChanges
from nodes.diffusion.conditions import of_rows
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Residuals
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.family import Family, Order, Stack, Stacks
from nodes.diffusion.models.spared import put_on, spare
from nodes.diffusion.regions import common_length

POSITIVE = 0


def asked(
    family: Family,
    module: nn.Module,
    latents: Tensor,
    timestep: Tensor,
    context: Tensor,
    *,
    residuals: Residuals | None = None,
    inputs: NetworkInputs = NO_INPUTS,
    changes: NetworkChanges = NO_CHANGES,
) -> Tensor:
    """A family's answer, as `Ask`, with the changes that its blocks have places for."""
    inside = changes.left_out or changes.alone or changes.away or changes.sparing is not None
    if family.stacks is None or not inside:
        with nullcontext() if residuals is None or not residuals.inside else residuals.at_work(module):
            return family.ask(
                module, latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes
            )
    count = len(latents)
    with ExitStack() as stack:
        rows = _positive(inputs, count, latents.device) if changes.away else None
        if changes.away is not None and rows is not None and len(rows):
            every = torch.cat((torch.arange(count, device=latents.device), rows))
            context, inputs = _beside(context, inputs, changes.away, every, len(rows))
            latents, timestep = latents[every], timestep[every]
            residuals = None if residuals is None else residuals.of_rows(every)
            _lead(module, family.stacks, _Led(changes.away.lead, rows, count), stack)
        _leave_out(module, family.stacks, changes.left_out, stack)
        if residuals is not None:
            stack.enter_context(residuals.at_work(module))
        if changes.alone:
            _set_apart(module, family.stacks, changes.alone, stack)
        if changes.sparing is not None:
            spare(module, family.stacks, changes.sparing, stack)
        answer = family.ask(
            module, latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes
        )
    return answer[:count]


def _positive(inputs: NetworkInputs, count: int, device: torch.device) -> Tensor:
    """The numbers of a batch's items that are of the positive side."""
    sides = inputs.sides or (POSITIVE,)
    each = torch.tensor(sides, device=device).repeat_interleave(count // len(sides))
    return (each == POSITIVE).nonzero()[:, 0]


def _beside(
    context: Tensor, inputs: NetworkInputs, away: Away, every: Tensor, further: int
) -> tuple[Tensor, NetworkInputs]:
    """What a batch is told to which some of its items are added once more, with another text.

    Texts of different lengths are filled up where the family is told which tokens count; others are repeated to a common
    length, as the field does.
    """
    other = away.context[:1].to(context)
    told = of_rows(inputs, every)
    masks: Sequence[Tensor] = ()
    if told.bias is not None:
        other, told = _biased(context, other, told, further)
    elif inputs.token_mask is not None or away.token_mask is not None:
        ours = _counted(inputs.token_mask, context)
        theirs = _counted(away.token_mask, other)[:1].to(ours)
        longest = max(ours.shape[1], theirs.shape[1])
        masks = [F.pad(mask, (0, longest - mask.shape[1])) for mask in (ours, theirs)]
        context, other = (F.pad(text, (0, 0, 0, longest - text.shape[1])) for text in (context, other))
        told = replace(told, token_mask=torch.cat((masks[0], masks[1].expand(further, -1))))
    else:
        context, other = common_length((context, other))
    if inputs.layers is not None and away.layers is not None:
        mine, others = inputs.layers, away.layers[:1].to(inputs.layers)
        length = torch.lcm(torch.tensor(mine.shape[2]), torch.tensor(others.shape[2])).item()
        mine, others = (part.repeat(1, 1, int(length) // part.shape[2], 1) for part in (mine, others))
        told = replace(told, layers=torch.cat((mine, others.expand(further, -1, -1, -1))))
    return torch.cat((context, other.expand(further, -1, -1))), told


def _biased(
    context: Tensor, other: Tensor, told: NetworkInputs, further: int
) -> tuple[Tensor, NetworkInputs]:
    """The other text filled up to the length that a bias of attention is for; nothing attends to what fills it up.

    Raises:
        DiffusionError: it is longer.
    """
    assert told.bias is not None
    missing = context.shape[1] - other.shape[1]
    if missing < 0:
        raise DiffusionError(
            f"The negative prompt to lead away from has {other.shape[1]} tokens, more than the {context.shape[1]} "
            "of the prompt with a style.",
            "Shorten it, or apply the style model with strength_type multiply.",
        )
    bias = told.bias.clone()
    bias[-further:] = 0.0
    bias[-further:, :, other.shape[1] : context.shape[1]] = -torch.inf
    return F.pad(other, (0, 0, 0, missing)), replace(told, bias=bias)


def _counted(mask: Tensor | None, context: Tensor) -> Tensor:
    return torch.ones_like(context[..., 0]) if mask is None else mask


def _leave_out(module: nn.Module, stacks: Stacks, layers: Layers, stack: ExitStack) -> None:
    for row, block in _chosen(module, stacks, layers):
        names = tuple(signature(block.forward).parameters)
        put_on(block, _handing_on(names, row.gives), stack)


def _handing_on(names: Sequence[str], gives: Sequence[str]) -> Callable[..., Any]:
    """A block's `forward` that gives what it is given."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        given: Mapping[str, Any] = dict(zip(names, args, strict=False)) | kwargs
        return given[gives[0]] if len(gives) == 1 else tuple(given[name] for name in gives)

    return forward


def _set_apart(module: nn.Module, stacks: Stacks, layers: Layers, stack: ExitStack) -> None:
    """Each place of the picture sees the text and itself alone (Ahn et al. 2024, arXiv:2403.17377, eq. 13)."""
    picture = _Picture.of(module, stacks, stack)
    for row, block in _chosen(module, stacks, layers):
        for attention in _attentions(block, row.attention):
            _mix_by(attention, _Mixing(picture, apart=True), stack)


def _lead(module: nn.Module, stacks: Stacks, led: "_Led", stack: ExitStack) -> None:
    picture = _Picture.of(module, stacks, stack)
    every = Layers(*(tuple(range(count)) for count in stacks.counts(module)))
    for row, block in _chosen(module, stacks, every):
        for attention in _attentions(block, (*row.attention, *row.reading)):
            _mix_by(attention, _Mixing(picture, led=led), stack)


def _chosen(module: nn.Module, stacks: Stacks, layers: Layers) -> list[tuple[Stack, nn.Module]]:
    """The blocks of these numbers; numbers that no block has do not count."""
    found: list[tuple[Stack, nn.Module]] = []
    for row, numbers in ((stacks.double, layers.double), (stacks.single, layers.single)):
        if row is not None:
            blocks = getattr(module, row.name)
            found += [(row, blocks[number]) for number in sorted({*numbers}) if number < len(blocks)]
    return found


def _attentions(block: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    found: list[nn.Module] = []
    for name in names:
        part: Any = block
        for step in name.split("."):
            part = getattr(part, step, None)
        if part is not None:
            found.append(part)
    return found


def _mix_by(attention: nn.Module, mixing: "_Mixing", stack: ExitStack) -> None:
    before = attention.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        with mixing:
            return before(*args, **kwargs)

    put_on(attention, forward, stack)


@dataclass(slots=True, eq=False)
class _Picture:
    """Where the picture's tokens lie in a row of tokens; how many there are is noted at the first block."""

    order: Order
    count: int = 0

    @classmethod
    def of(cls, module: nn.Module, stacks: Stacks, stack: ExitStack) -> "_Picture":
        found = cls(stacks.order)

        def note(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            found.count = (kwargs["hidden_states"] if not args else args[0]).shape[1]

        first = getattr(module, stacks.double.name)[0]
        stack.callback(first.register_forward_pre_hook(note, with_kwargs=True).remove)
        return found

    def within(self, length: int) -> slice:
        """The picture's part of so many tokens."""
        if self.order is Order.PICTURE:
            return slice(0, self.count)
        return slice(length - self.count, length)


@dataclass(frozen=True, slots=True, eq=False)
class _Led:
    """Items of a batch whose attention is led away from that of their copies, which begin at `start`."""

    lead: Lead
    rows: Tensor
    start: int

    def __call__(self, mixed: Tensor, picture: slice) -> Tensor:
        """Mixed values [batch head token width]; the picture's of an item and of its copy become the same."""
        values = mixed[:, :, picture].transpose(1, 2).flatten(2)
        made = self.lead(values[self.rows], values[self.start :])
        back = made.reshape(*made.shape[:2], mixed.shape[1], -1).transpose(1, 2).to(mixed)
        whole = mixed.clone()
        whole[self.rows, :, picture], whole[self.start :, :, picture] = back, back
        return whole


class _Mixing(TorchFunctionMode):
    """Mixes an attention's values otherwise, wherever its class does it."""

    def __init__(self, picture: _Picture, *, apart: bool = False, led: _Led | None = None) -> None:
        super().__init__()
        self.picture, self.apart, self.led = picture, apart, led

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        mixes = func is F.scaled_dot_product_attention
        return self._mixed(*args, **(kwargs or {})) if mixes else func(*args, **(kwargs or {}))

    def _mixed(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **how: Any
    ) -> Tensor:
        length = query.shape[-2]
        picture = self.picture.within(length)
        if self.apart:
            seen = torch.ones(length, length, dtype=torch.bool, device=query.device)
            seen[picture, picture] = torch.eye(self.picture.count, dtype=torch.bool, device=query.device)
            attn_mask = _masked(attn_mask, seen)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attn_mask, **how)
        return mixed if self.led is None else self.led(mixed, picture)


def _masked(mask: Tensor | None, seen: Tensor) -> Tensor:
    if mask is None:
        return seen
    return mask & seen if mask.dtype == torch.bool else mask.masked_fill(~seen, float("-inf"))
