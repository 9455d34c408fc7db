"""Changes inside a U-Net of diffusers while it is asked: put on before a call, gone after it."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.changes import BetweenChange, BlockChange, Joint, NetworkChanges, Place, SkipChange, Way
from nodes.diffusion.denoiser import Residuals
from nodes.diffusion.models.attending import Changed

Size = tuple[int, int]


@contextmanager
def changed(
    module: nn.Module, changes: NetworkChanges, size: Size, sides: tuple[int, ...] = ()
) -> Generator[None]:
    """A U-Net with these changes until the block ends.

    Args:
        size: height and width of the latents that it will be given.
        sides: to which side of guidance each equal part of the batch belongs.
    """
    with ExitStack() as stack:
        if changes.attention:
            for place, attention in attentions(module):
                before: object = attention.processor
                attention.set_processor(Changed(place, changes.attention, size, sides))
                stack.callback(attention.set_processor, before)
        if changes.between:
            _change_between(module, changes.between, stack)
        if changes.resizes:
            _change_blocks(module, changes, stack)
        if changes.middle and cast("Any", module).mid_block is not None:
            hook = _behind(0, changes.middle)
            stack.callback(cast("Any", module).mid_block.register_forward_hook(hook).remove)
        if changes.skips or changes.resizes:
            _walk_up(module, changes.skips, stack)
        yield


def attentions(module: nn.Module) -> Iterator[tuple[Place, Any]]:
    """Every attention of a U-Net with its place."""
    for place, block in _blocks(module):
        yield place, block.attn1
        if block.attn2 is not None:
            yield replace(place, cross=True), block.attn2


def _blocks(module: nn.Module) -> Iterator[tuple[Place, Any]]:
    """Every transformer block with the place of its own attention."""
    for way, number, transformer in _transformers(cast("Any", module)):
        for index, block in enumerate(transformer.transformer_blocks):
            yield Place(way, number, index, cross=False), block


def added(residuals: Residuals, module: nn.Module) -> NetworkChanges:
    """What control networks add inside a U-Net, at whatever size the blocks have."""
    ends, middle = list(_level_ends(cast("Any", module))), residuals.middle
    levels = dict(zip(ends, residuals.levels, strict=False))
    last = residuals.levels[len(ends) :]

    def to_skip(joint: Joint, hidden: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        return hidden, skip + _fitted(residuals.down[-1 - joint.number], skip)

    def to_middle(_number: int, hidden: Tensor) -> Tensor:
        for part in (*last, *(() if middle is None else (middle,))):
            hidden = hidden + _fitted(part, hidden)
        return hidden

    def to_level(number: int, hidden: Tensor) -> Tensor:
        return hidden + _fitted(levels[number], hidden) if number in levels else hidden

    return NetworkChanges(
        skips=(to_skip,) if residuals.down else (),
        middle=(to_middle,) if last or middle is not None else (),
        before_skip=(to_level,) if levels else (),
    )


def _fitted(residual: Tensor, hidden: Tensor) -> Tensor:
    same = residual.shape[-2:] in (hidden.shape[-2:], (1, 1))
    return residual if same else F.interpolate(residual, hidden.shape[-2:], mode="bilinear")


def _transformers(module: Any) -> Iterator[tuple[Way, int, Any]]:
    number = 0
    for block in module.down_blocks:
        for transformer in _each(block, "attentions", len(block.resnets)):
            number += 1
            if transformer is not None:
                yield Way.INPUT, number, transformer
        number += len(block.downsamplers or ())
    for transformer in getattr(module.mid_block, "attentions", ()):
        yield Way.MIDDLE, 0, transformer
    number = 0
    for block in module.up_blocks:
        for transformer in _each(block, "attentions", len(block.resnets)):
            if transformer is not None:
                yield Way.OUTPUT, number, transformer
            number += 1


def _each(block: Any, name: str, count: int) -> Sequence[Any]:
    return list(getattr(block, name, None) or [None] * count)


def _change_between(module: nn.Module, changes: Sequence[BetweenChange], stack: ExitStack) -> None:
    """Hooks around each block's own attention, whose output is what they make of it less what it is added to."""
    for place, block in _blocks(module):
        entered: list[Tensor] = []
        stack.callback(block.register_forward_pre_hook(_keeping(entered)).remove)
        stack.callback(block.attn1.register_forward_hook(_between(place, changes, entered)).remove)


def _keeping(entered: list[Tensor]) -> Callable[..., None]:
    def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
        entered[:] = [inputs[0]]

    return hook


def _between(place: Place, changes: Sequence[BetweenChange], entered: list[Tensor]) -> Callable[..., Tensor]:
    def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        before = entered.pop()
        hidden = before + output
        for change in changes:
            hidden = change(place, hidden)
        return hidden - before

    return hook


def _change_blocks(module: nn.Module, changes: NetworkChanges, stack: ExitStack) -> None:
    """Hooks around the input blocks: behind the last part of each, and before the first part of the one after it."""
    blocks = list(_input_blocks(cast("Any", module)))
    net = cast("Any", module)
    after = [first for first, _ in blocks[1:]] + [
        net.up_blocks[0] if net.mid_block is None else net.mid_block
    ]
    for number, (_, last) in enumerate(blocks):
        if changes.before_skip:
            stack.callback(last.register_forward_hook(_behind(number, changes.before_skip)).remove)
        if changes.after_skip:
            hook = _before(number, changes.after_skip)
            stack.callback(after[number].register_forward_pre_hook(hook).remove)


def _input_blocks(module: Any) -> Iterator[tuple[Any, Any]]:
    """The first and the last part of each input block."""
    yield module.conv_in, module.conv_in
    for block in module.down_blocks:
        for resnet, transformer in zip(
            block.resnets, _each(block, "attentions", len(block.resnets)), strict=True
        ):
            yield resnet, resnet if transformer is None else transformer
        for sampler in block.downsamplers or ():
            yield sampler, sampler


def _level_ends(module: Any) -> Iterator[int]:
    """The last input block of each level; its downsampler counts where the level has no attention."""
    number = 0
    for block in module.down_blocks:
        number += len(block.resnets)
        below = len(block.downsamplers or ())
        yield number if getattr(block, "has_cross_attention", False) else number + below
        number += below


def _behind(number: int, changes: Sequence[BlockChange]) -> Callable[..., Any]:
    def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Any) -> Any:
        hidden = cast("Tensor", output[0] if isinstance(output, tuple) else output)
        for change in changes:
            hidden = change(number, hidden)
        return (hidden,) if isinstance(output, tuple) else hidden

    return hook


def _before(number: int, changes: Sequence[BlockChange]) -> Callable[..., tuple[Any, ...]]:
    def hook(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        hidden = cast("Tensor", inputs[0])
        for change in changes:
            hidden = change(number, hidden)
        return (hidden, *inputs[1:])

    return hook


def _walk_up(module: nn.Module, changes: Sequence[SkipChange], stack: ExitStack) -> None:
    """Let the way up be walked by us, so that skips are changed where they are taken in, whatever their sizes."""
    net = cast("Any", module)
    sizes: list[Size] = []
    stack.callback(net.conv_in.register_forward_hook(_starts(sizes)).remove)
    for block in net.down_blocks:
        stack.callback(block.register_forward_hook(_goes_on(sizes)).remove)
    number = 0
    for block in net.up_blocks:
        block.forward = _Up(block, number, net.conv_in.out_channels, changes, sizes)
        stack.callback(block.__dict__.pop, "forward")
        number += len(block.resnets)


def _starts(sizes: list[Size]) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
        sizes[:] = [_size(output)]

    return hook


def _goes_on(sizes: list[Size]) -> Callable[..., None]:
    def hook(_module: nn.Module, _inputs: tuple[Any, ...], output: tuple[Tensor, tuple[Tensor, ...]]) -> None:
        sizes.extend(_size(skip) for skip in output[1])

    return hook


def _size(hidden: Tensor) -> Size:
    return hidden.shape[-2], hidden.shape[-1]


@dataclass(frozen=True, slots=True, eq=False)
class _Up:
    """An up block of diffusers as we walk it: as its own `forward` but for the changes.

    Attributes:
        number: of its first output block.
        sizes: of the skips that are still to come; the last one is the next. All up blocks share them.
    """

    block: Any
    number: int
    width: int
    changes: Sequence[SkipChange]
    sizes: list[Size] = field(default_factory=list[Size])

    def __call__(
        self,
        hidden_states: Tensor,
        res_hidden_states_tuple: tuple[Tensor, ...],
        temb: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        upsample_size: object = None,  # noqa: ARG002 - the next skip says it
        attention_mask: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
    ) -> Tensor:
        hidden, skips = hidden_states, list(res_hidden_states_tuple)
        transformers = _each(self.block, "attentions", len(self.block.resnets))
        for offset, (resnet, transformer) in enumerate(zip(self.block.resnets, transformers, strict=True)):
            skip = skips.pop()
            self.sizes.pop()
            for change in self.changes:
                hidden, skip = change(Joint(self.number + offset, self.width), hidden, skip)
            hidden = resnet(torch.cat([hidden, skip], dim=1), temb)
            if transformer is not None:
                hidden = transformer(
                    hidden,
                    encoder_hidden_states=encoder_hidden_states,
                    cross_attention_kwargs=cross_attention_kwargs,
                    attention_mask=attention_mask,
                    encoder_attention_mask=encoder_attention_mask,
                    return_dict=False,
                )[0]
        for sampler in self.block.upsamplers or ():
            hidden = sampler(hidden, self.sizes[-1])
        return hidden
