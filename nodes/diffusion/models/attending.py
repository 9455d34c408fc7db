"""An attention of diffusers while changes stand before it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.changes import Attention, AttentionChange, Place


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """Does an attention's work through changes; a processor in the sense of diffusers."""

    place: Place
    changes: Sequence[AttentionChange]
    size: tuple[int, int]
    sides: tuple[int, ...]

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None,
    ) -> Tensor:
        assert attention_mask is None  # U-Nets are given none
        read = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        height, width = self.size
        working = Working(attn, self.place, hidden_states, read, read, height, width, self.sides)
        return _through(self.changes, working)


def _through(changes: Sequence[AttentionChange], attention: Attention) -> Tensor:
    if not changes:
        return attention.out(attention.mixed())

    def attend(following: Attention) -> Tensor:
        return _through(changes[1:], following)

    return changes[0](attention, attend)


@dataclass(frozen=True, slots=True, eq=False)
class Working:
    """An `Attention` over a module of diffusers."""

    module: Any
    place: Place
    queries: Tensor
    keys: Tensor
    values: Tensor
    height: int
    width: int
    sides: tuple[int, ...] = ()

    def on(self, queries: Tensor, keys: Tensor, values: Tensor) -> "Working":
        """As `Attention`."""
        return replace(self, queries=queries, keys=keys, values=values)

    def projected(self) -> tuple[Tensor, Tensor, Tensor]:
        """As `Attention`."""
        module = self.module
        return module.to_q(self.queries), module.to_k(self.keys), module.to_v(self.values)

    @property
    def heads(self) -> int:
        """As `Attention`."""
        return self.module.heads

    def mixed(self) -> Tensor:
        """As `Attention`."""
        queries, keys = self._heads(self.module.to_q(self.queries)), self._heads(self.module.to_k(self.keys))
        values = self._heads(self.module.to_v(self.values))
        made = F.scaled_dot_product_attention(queries, keys, values)
        return made.transpose(1, 2).flatten(2)

    def unmixed(self) -> Tensor:
        """As `Attention`."""
        return self.module.to_v(self.values)

    def scores(self) -> Tensor:
        """As `Attention`."""
        queries, keys = self._heads(self.module.to_q(self.queries)), self._heads(self.module.to_k(self.keys))
        return torch.softmax(queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5, dim=-1)

    def out(self, mixed: Tensor) -> Tensor:
        """As `Attention`."""
        return self.module.to_out[1](self.module.to_out[0](mixed)) / self.module.rescale_output_factor

    def further(self, keys: Tensor, values: Tensor) -> Tensor:
        """As `Attention`."""
        queries, read = self._heads(self.module.to_q(self.queries)), self._heads(keys)
        return F.scaled_dot_product_attention(queries, read, self._heads(values)).transpose(1, 2).flatten(2)

    def adds(self, mixed: Tensor) -> Tensor:
        """As `Attention`."""
        return F.linear(mixed, self.module.to_out[0].weight) / self.module.rescale_output_factor

    def _heads(self, tokens: Tensor) -> Tensor:
        batch, count, _ = tokens.shape
        return tokens.view(batch, count, self.module.heads, -1).transpose(1, 2)
