"""Weights that wait packed: whoever computes with one gets its numbers, made anew each time."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

Fill = Callable[[Tensor], None]


class Waiting(Tensor):
    """A tensor of Float32 on the processor without memory of its own.

    Args:
        shape: of the numbers.
        fill: writes them into a contiguous tensor of that shape, Float32 on the processor.
    """

    fill: Fill
    __torch_function__ = torch._C._disabled_torch_function_impl  # noqa: SLF001  # pyright: ignore - as torch tells subclasses to

    @staticmethod
    def __new__(cls: type["Waiting"], shape: tuple[int, ...], fill: Fill) -> "Waiting":
        new = cast("Any", Tensor)._make_wrapper_subclass  # noqa: SLF001 - torch's way for tensors without memory
        made = new(cls, shape, dtype=torch.float32, requires_grad=False)
        made.fill = fill
        return made

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Any operation is done with the numbers; to detach one is to have it again, still packed."""
        del types
        if func in (torch.ops.aten.detach.default, torch.ops.aten.alias.default):
            return Waiting(tuple(args[0].shape), args[0].fill)
        return func(*tree_map(_unpacked, args), **tree_map(_unpacked, dict(kwargs or {})))

    def into(self, there: Tensor) -> None:
        """Write the numbers to a place, without a copy in between where it has their type."""
        if there.dtype == torch.float32 and there.device.type == "cpu" and there.is_contiguous():
            self.fill(there)
        else:
            there.copy_(numbers(self))


def numbers(waiting: Waiting) -> Tensor:
    """What it stands for, with memory."""
    made = torch.empty(waiting.shape, dtype=torch.float32)
    waiting.fill(made)
    return made


def _unpacked(value: object) -> object:
    return numbers(value) if isinstance(value, Waiting) else value
