"""Weights kept in eight bits and widened, layer by layer, while they are used."""

from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.models.build import modules_in

STORED = {
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,  # the product is the same here: nothing is multiplied in eight bits
    "fp8_e5m2": torch.float8_e5m2,
}


def narrow(module: nn.Module, dtype: torch.dtype) -> dict[str, torch.dtype]:
    """The weights of a network that can do with fewer bits, those of linear layers and convolutions, each with its type."""
    return {
        f"{name}.weight": dtype
        for name, part in modules_in(module)
        if isinstance(part, nn.Linear | nn.Conv2d)
    }


def widen_in_use(module: nn.Module) -> None:
    """Let layers compute in the type of what they are given, whatever they keep their weights in."""
    for _, part in modules_in(module):
        if isinstance(part, nn.Linear):
            cast("Any", part).forward = partial(_linear, part)
        elif isinstance(part, nn.Conv2d):
            cast("Any", part).forward = partial(_conv, part)


def _linear(part: nn.Linear, hidden: Tensor) -> Tensor:
    return F.linear(hidden, part.weight.to(hidden.dtype), _bias(part, hidden))


def _conv(part: nn.Conv2d, hidden: Tensor) -> Tensor:
    return cast("Any", part)._conv_forward(hidden, part.weight.to(hidden.dtype), _bias(part, hidden))  # noqa: SLF001 - pads as it does


def _bias(part: nn.Linear | nn.Conv2d, hidden: Tensor) -> Tensor | None:
    bias = cast("Tensor | None", part.bias)
    return None if bias is None else bias.to(hidden.dtype)
