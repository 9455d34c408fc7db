"""A CLIP text model at work: chunks of weighted tokens to context and pooled vector."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.text.tokens import FindEmbedding, Token, Tokenizer, Tokens, misfits


@dataclass(frozen=True, slots=True)
class EncoderKind:
    """How a family reads its text model.

    Attributes:
        layer: which hidden state, from the end: -1 is the last.
        normalised: whether the final norm is applied to it.
        projected: whether the pooled vector goes through the text projection.
        masked: padding is hidden from the other tokens.
    """

    layer: int = -1
    normalised: bool = True
    projected: bool = False
    masked: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """An encoded prompt: context Float[1 token feature], pooled Float[1 feature] if the family has one.

    Attributes:
        warnings: for who wrote it.
        extra: what else the family reads of it, by the names of conditioning.
    """

    context: Tensor
    pooled: Tensor | None
    warnings: tuple[str, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """A text model with its tokenizer.

    Attributes:
        model: a `CLIPTextModel` of transformers.
        projection: maps the pooled vector where a family asks for it.
    """

    model: nn.Module
    tokenizer: Tokenizer
    kind: EncoderKind = EncoderKind()
    projection: nn.Module | None = None

    def encode(self, prompt: str, layer: int | None = None, find: FindEmbedding | None = None) -> Encoding:
        """Encode a prompt of any length; chunks are joined along tokens. Arguments as for `read` and `encode_tokens`."""
        return self.encode_tokens(self.tokenizer.read(prompt, find), layer)

    @torch.no_grad()
    def encode_tokens(self, read: Tokens, layer: int | None = None) -> Encoding:
        """Encode what a prompt was read as.

        A token of weight w moves from where the empty prompt's token of its place stands: z0 + w (z - z0).

        Args:
            layer: hidden state to take, from the end; None: the family's own. One the model lacks is its last.
        """
        chunks = [self._fitting(chunk) for chunk in read.chunks]
        warnings = read.warnings + misfits(chain.from_iterable(read.chunks), self._width)
        weighted = any(token.weight != 1.0 for chunk in chunks for token in chunk)
        asked = [*chunks, self.tokenizer.empty()] if weighted else chunks
        states, pooled = self._states(asked, self.kind.layer if layer is None else layer)
        if weighted:
            states = moved(states[:-1], states[-1:], chunks)
        context = states.reshape(1, -1, states.shape[-1]).float().cpu()
        return Encoding(context, pooled[:1].float().cpu(), warnings)

    def _states(self, chunks: Sequence[Sequence[Token]], layer: int) -> tuple[Tensor, Tensor]:
        device, inner = next(self.model.parameters()).device, self._inner
        ids = torch.tensor([[token.id for token in chunk] for chunk in chunks], device=device)
        ended = (ids == self.tokenizer.end).int()
        ends_before = ended.cumsum(1) - ended
        with standing_in(inner.embeddings.token_embedding, chunks):
            asked = {"attention_mask": (ends_before <= 0).int()} if self.kind.masked else {}
            hidden = cast("Any", self.model)(input_ids=ids, output_hidden_states=True, **asked).hidden_states
        norm, count = inner.final_layer_norm, len(hidden) - 1
        states = hidden[layer if -layer <= count else -1]
        if self.kind.normalised:
            states = norm(states)
        ends = ended.argmax(dim=1)
        pooled = norm(hidden[-1])[torch.arange(len(ids), device=device), ends]
        if self.kind.projected and self.projection is not None:
            pooled = self.projection(pooled)
        return states, pooled

    @property
    def _inner(self) -> Any:
        return getattr(self.model, "text_model", self.model)

    @property
    def _width(self) -> int:
        return int(self._inner.final_layer_norm.weight.shape[0])

    def _fitting(self, chunk: Sequence[Token]) -> list[Token]:
        """The chunk without vectors of another model's width, filled up with padding."""
        kept = [token for token in chunk if token.vector is None or token.vector.shape[-1] == self._width]
        return kept + [Token(self.tokenizer.pad)] * (len(chunk) - len(kept))


@contextmanager
def standing_in(table: nn.Module, chunks: Sequence[Sequence[Token]]) -> Generator[None]:
    """While this lasts, learned vectors come out of a table of embeddings in the places of their tokens."""
    vectors = [
        (row, place, token.vector)
        for row, chunk in enumerate(chunks)
        for place, token in enumerate(chunk)
        if token.vector is not None
    ]

    def replace(_module: nn.Module, _inputs: tuple[Any, ...], made: Tensor) -> Tensor:
        for row, place, vector in vectors:
            made[row, place] = vector.to(made)
        return made

    handle = table.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()


def moved(states: Tensor, empty: Tensor, chunks: Sequence[Sequence[Token]]) -> Tensor:
    """States moved away from those of an empty prompt by the weights of their tokens; a weight of 1 leaves bits alone."""
    weights = torch.tensor([[token.weight for token in chunk] for chunk in chunks], device=states.device)[
        ..., None
    ]
    return torch.where(weights == 1.0, states, (states - empty) * weights + empty)
