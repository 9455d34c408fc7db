"""Changes inside a U-Net while it is asked: put on before a call, gone after it."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.denoiser import NetworkChanges, SkipChange


@contextmanager
def changed(module: nn.Module, changes: NetworkChanges) -> Generator[None]:
    """A U-Net of diffusers with these changes until the block ends."""
    with ExitStack() as stack:
        if changes.skips:
            for resnet, taken in joints(module):
                handle = resnet.register_forward_pre_hook(_at_joint(changes.skips, taken))
                stack.callback(handle.remove)
        yield


def joints(module: nn.Module) -> Iterator[tuple[nn.Module, int]]:
    """The blocks of the way up that take in a skip connection, in order, with the channels of that skip."""
    widths = [cast("Any", module).conv_in.out_channels, *_ways_out(module)]
    for block in cast("Any", module).up_blocks:
        for resnet in block.resnets:
            yield resnet, widths.pop()


def _ways_out(module: nn.Module) -> Iterator[int]:
    for block in cast("Any", module).down_blocks:
        for resnet in block.resnets:
            yield resnet.out_channels
        for sampler in block.downsamplers or ():
            yield sampler.out_channels


def _at_joint(
    changes: tuple[SkipChange, ...], taken: int
) -> Callable[[nn.Module, tuple[Any, ...]], tuple[Any, ...]]:
    def before(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        joined = cast("Tensor", inputs[0])
        hidden, skip = joined[:, :-taken], joined[:, -taken:]
        for change in changes:
            hidden, skip = change(hidden, skip)
        return (torch.cat([hidden, skip], dim=1), *inputs[1:])

    return before
