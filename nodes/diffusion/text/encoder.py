"""A CLIP text model at work: chunks of weighted tokens to context and pooled vector."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from nodes.diffusion.text.tokens import Token, Tokenizer


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """How a family reads its text model.

    Attributes:
        layer: which hidden state, from the end: -1 is the last.
        normalised: whether the final norm is applied to it.
        projected: whether the pooled vector goes through the text projection.
    """

    layer: int = -1
    normalised: bool = True
    projected: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """An encoded prompt: context Float[1 token feature], pooled Float[1 feature]."""

    context: Tensor
    pooled: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """A text model with its tokenizer. `projection` maps the pooled vector where a family asks for it."""

    model: CLIPTextModel
    tokenizer: Tokenizer
    kind: EncoderKind = EncoderKind()
    projection: nn.Module | None = None

    @torch.inference_mode()
    def encode(self, prompt: str, layer: int | None = None) -> Encoding:
        """Encode a prompt of any length; chunks are joined along tokens.

        A token of weight w moves from where the empty prompt's token of its place stands: z0 + w (z - z0).

        Args:
            layer: hidden state to take, from the end; None: the family's own.
        """
        chunks = self.tokenizer.chunks(prompt)
        weighted = any(token.weight != 1.0 for chunk in chunks for token in chunk)
        asked = [*chunks, self.tokenizer.empty()] if weighted else chunks
        states, pooled = self._states(asked, self.kind.layer if layer is None else layer)
        if weighted:
            states = _weighted(states[:-1], states[-1:], chunks)
        context = states.reshape(1, -1, states.shape[-1]).float().cpu()
        return Encoding(context, pooled[:1].float().cpu())

    def _states(self, chunks: Sequence[Sequence[Token]], layer: int) -> tuple[Tensor, Tensor]:
        device = next(self.model.parameters()).device
        ids = torch.tensor([[token.id for token in chunk] for chunk in chunks], device=device)
        hidden = self.model(input_ids=ids, output_hidden_states=True).hidden_states
        norm = getattr(self.model, "text_model", self.model).final_layer_norm
        count = len(hidden) - 1
        states = hidden[max(layer, -count)]
        if self.kind.normalised:
            states = norm(states)
        ends = (ids == self.tokenizer.end).int().argmax(dim=1)
        pooled = norm(hidden[-1])[torch.arange(len(ids), device=device), ends]
        if self.kind.projected and self.projection is not None:
            pooled = self.projection(pooled)
        return states, pooled


def _weighted(states: Tensor, empty: Tensor, chunks: Sequence[Sequence[Token]]) -> Tensor:
    weights = torch.tensor([[token.weight for token in chunk] for chunk in chunks], device=states.device)
    return torch.where(weights[..., None] == 1.0, states, (states - empty) * weights[..., None] + empty)
