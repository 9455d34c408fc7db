"""A language model at work as a text encoder: T5 and its kin, Llama, Qwen, Gemma. One run of tokens, no chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from tokenizers import Tokenizer as Words
from torch import Tensor, nn

from nodes.diffusion.text.encoder import Encoding, moved, standing_in
from nodes.diffusion.text.tokens import FindEmbedding, Token, Tokens, segment_groups
from nodes.diffusion.text.weighting import Segment, weighted


@dataclass(frozen=True, slots=True, eq=False)
class WordTokenizer:
    """A vocabulary with the ids that stand before and after a prompt, and the one that fills it up."""

    words: Words
    start: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    pad: int = 0

    def ids(self, text: str) -> list[int]:
        """Of a text, without start and end."""
        return list(self.words.encode(text, add_special_tokens=False).ids) if text else []


@dataclass(frozen=True, slots=True)
class LanguageKind:
    """How a family reads a language model.

    Attributes:
        least: tokens at least, filled up with padding.
        layers: hidden states to read, from the end (-1 is the last, with the final norm); several lie one after the
            other along features, or with `stacked` along an axis of their own before the tokens. None: every layer's.
        template: what the prompt stands in; a text with weights has none.
        dropped: tokens of the template that are left out of what is read.
        masked: padding is hidden from the other tokens, and the family is told where it lies.
        emptied: what was read of padding is zeros.
    """

    least: int = 1
    layers: tuple[int, ...] = (-1,)
    stacked: bool = False
    template: str = ""
    dropped: int = 0
    masked: bool = False
    emptied: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LanguageEncoder:
    """A language model with its tokenizer.

    Attributes:
        model: a model of transformers that gives hidden states.
        padding: least padding after the end, and tokens at least instead of the family's, where a person has set them.
    """

    model: nn.Module
    tokenizer: WordTokenizer
    kind: LanguageKind = LanguageKind()
    padding: tuple[int, int] | None = None

    @torch.no_grad()
    def encode(self, prompt: str, find: FindEmbedding | None = None) -> Encoding:
        """Read a prompt of any length. A token of weight w moves from where the same place of an empty prompt stands.

        Args:
            find: learned vectors by the name that a prompt calls them.
        """
        read = self._read(prompt, find)
        row = read.chunks[0]
        rows = [row]
        if any(token.weight != 1.0 for token in row):
            empty = self._filled([])
            rows.append(empty + [Token(self.tokenizer.pad)] * (len(row) - len(empty)))
        masks = [self._mask(one) for one in rows]
        states = self._states(rows, torch.tensor(masks))
        if len(rows) > 1:
            states = moved(states[:1], states[1:], [row])
        mask = torch.tensor(masks[:1])
        if self.kind.emptied:
            states = states * mask.to(states)[..., None]
        context = states[..., self.kind.dropped :, :].float().cpu()
        told = {"attention_mask": mask[:, self.kind.dropped :]} if self.kind.masked else {}
        return Encoding(context, None, read.warnings, told)

    def _read(self, prompt: str, find: FindEmbedding | None) -> Tokens:
        warnings: list[str] = []
        segments = (
            [Segment(self.kind.template.replace("{}", prompt), 1.0)]
            if self.kind.template
            else weighted(prompt)
        )
        groups = [
            group for segment in segments for group in segment_groups(segment, self._tokens, find, warnings)
        ]
        tokens = [token for group in groups for token in group]
        return Tokens([self._filled(tokens)], tuple(warnings))

    def _tokens(self, text: str, weight: float) -> list[Token]:
        return [Token(id, weight) for id in self.tokenizer.ids(text)]

    def _filled(self, tokens: Sequence[Token]) -> list[Token]:
        ended = [
            *(Token(id) for id in self.tokenizer.start),
            *self._fitting(tokens),
            *(Token(id) for id in self.tokenizer.end),
        ]
        after, least = self.padding or (0, self.kind.least)
        missing = max(after, least - len(ended))
        return ended + [Token(self.tokenizer.pad)] * missing

    def _fitting(self, tokens: Sequence[Token]) -> list[Token]:
        """Without vectors of another model's width."""
        width = cast("Any", self.model).get_input_embeddings().weight.shape[-1]
        return [token for token in tokens if token.vector is None or token.vector.shape[-1] == width]

    def _mask(self, row: Sequence[Token]) -> list[int]:
        """1 for what was said, 0 for the padding at the end."""
        filled = len(row)
        while self.kind.masked and filled > 1 and _is_padding(row[filled - 1], self.tokenizer):
            filled -= 1
        return [1] * filled + [0] * (len(row) - filled)

    def _states(self, rows: Sequence[Sequence[Token]], mask: Tensor) -> Tensor:
        device = next(self.model.parameters()).device
        ids = torch.tensor([[token.id for token in row] for row in rows], device=device)
        with standing_in(cast("Any", self.model).get_input_embeddings(), rows):
            read = cast("Any", self.model)(
                input_ids=ids,
                attention_mask=mask.to(device) if self.kind.masked else None,
                output_hidden_states=True,
            )
        hidden = [*read.hidden_states[:-1], read.last_hidden_state]
        picked = [cast("Tensor", hidden[layer]) for layer in self.kind.layers] or hidden[1:]
        if self.kind.stacked:
            return torch.stack(picked, 1)
        return torch.cat(picked, -1)


def _is_padding(token: Token, tokenizer: WordTokenizer) -> bool:
    return token.vector is None and token.id == tokenizer.pad and token.id not in tokenizer.end
