"""`comfy.comfy_types`: types of what nodes and functions around models are given."""

from collections.abc import Callable
from typing import Any, TypedDict

import torch

from nodes.compat.names.comfy.comfy_types.node_typing import (
    IO,
    CheckLazyMixin,
    ComfyNodeABC,
    FileLocator,
    InputTypeDict,
)

UnetApplyFunction = Callable[..., torch.Tensor]


class UnetApplyConds(TypedDict, total=False):
    c_concat: torch.Tensor | None
    c_crossattn: torch.Tensor | None
    control: Any
    transformer_options: dict[str, Any] | None


class UnetParams(TypedDict):
    input: torch.Tensor
    timestep: torch.Tensor
    c: UnetApplyConds
    cond_or_uncond: list[int]


UnetWrapperFunction = Callable[[UnetApplyFunction, UnetParams], torch.Tensor]

__all__ = [
    "IO",
    "CheckLazyMixin",
    "ComfyNodeABC",
    "FileLocator",
    "InputTypeDict",
    "UnetApplyConds",
    "UnetApplyFunction",
    "UnetParams",
    "UnetWrapperFunction",
]
