"""Whether weights are numbers: a file with some that are none (NaN, infinite) computes nothing but more of them."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnreadable

HALF = torch.finfo(torch.float16).max
EIGHT_BITS = {
    torch.float8_e4m3fn: 0x7F,
    torch.float8_e5m2: 0x7C,
}  # from here on, without the sign, they are none
DAMAGED = "Download or copy it again; if you made it yourself (a merge, a training), make it again from sound files."
TOO_LARGE = "Start Weft with --bf16-unet or --fp32-unet, which have room for it."


def largest(tensor: Tensor) -> float:
    """The largest of a tensor's numbers without their signs; NaN or infinite where one is.

    Reads it once, at the speed of memory. Of eight bits, only whether all are numbers is told: 0 then.
    """
    if tensor.is_meta or not tensor.numel() or not tensor.is_floating_point():
        return 0.0
    if tensor.dtype in EIGHT_BITS:
        sound = int((tensor.view(torch.uint8) & 0x7F).max()) < EIGHT_BITS[tensor.dtype]
        return 0.0 if sound else math.nan
    low, high = (float(end) for end in torch.aminmax(tensor.detach()))
    return math.nan if math.isnan(low) else max(-low, high)


def finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are some."""
    return math.isfinite(largest(tensor))


def check_numbers(path: Path, name: str, tensor: Tensor, dtype: torch.dtype | None = None) -> None:
    """See that a tensor of a file can be computed with.

    Args:
        dtype: the type that it will have; None: its own.

    Raises:
        CheckpointUnreadable: some of its numbers are none, or too large for the type.
    """
    most = largest(tensor)
    if not math.isfinite(most):
        what = f"its tensor {name} holds values that are no numbers (NaN or infinite)"
        raise CheckpointUnreadable(path, what, DAMAGED)
    if dtype is torch.float16 and most > HALF:
        what = f"its tensor {name} has a value of {most:.3g}, too large for half precision"
        raise CheckpointUnreadable(path, what, TOO_LARGE)


def check_in_use(module: nn.Module, path: Path, names: Mapping[str, str]) -> None:
    """See that weights are numbers when the part of a network that has them is first asked; of its own ones, now.

    Asking raises `CheckpointUnreadable` where they are not.

    Args:
        names: of the weights, each with that in the file.
    """
    for name in names:
        if "." not in name:
            check_numbers(path, names[name], getattr(module, name))
    for before, part in _parts("", module):
        own = [name for name in names if name.startswith(before)]
        if own:
            _First(path, {name.removeprefix(before): names[name] for name in own}).watch(part)


class _First:
    """Stands before a part until it has been asked once."""

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self._path, self._names = path, names
        self._standing: Any = None

    def watch(self, part: nn.Module) -> None:
        self._standing = part.register_forward_pre_hook(self)

    def __call__(self, part: nn.Module, _inputs: tuple[Any, ...]) -> None:
        if torch.compiler.is_compiling():
            return
        for name, theirs in self._names.items():
            inner, _, last = name.rpartition(".")
            check_numbers(self._path, theirs, getattr(part.get_submodule(inner), last))
        self._standing.remove()


def _parts(before: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The outermost modules that are asked by themselves: those in lists, not the lists."""
    for name, part in module.named_children():
        if isinstance(part, nn.ModuleList | nn.ModuleDict):
            yield from _parts(f"{before}{name}.", part)
        else:
            yield f"{before}{name}.", part
