"""A language model at work as a text encoder: T5 and its kin, BERT, Llama, Qwen, Gemma, Mistral. One run of tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import torch
from tokenizers import Tokenizer as Words
from torch import Tensor, nn

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.text.encoder import Encoding, moved, standing_in
from nodes.diffusion.text.pictures import Patches, patches
from nodes.diffusion.text.tokens import STAND_IN, FindEmbedding, Token, misfits, segment_groups
from nodes.diffusion.text.weighting import Segment, sound, weighted

PLACEHOLDER = "<|image_pad|>"  # where a picture stands in a prompt
SEEN = "<image>"  # where in a template the words stand that a vision model has made of a picture


@runtime_checkable
class ReadsWords(Protocol):
    """What turns words into ids."""

    def token_to_id(self, token: str) -> int | None:
        """Of a word that has one."""
        ...

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Any:
        """A text; its `ids` are asked for."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class WordTokenizer:
    """A vocabulary with the ids that stand before and after a prompt, and the one that fills it up."""

    words: Words | ReadsWords
    start: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    pad: int = 0

    def ids(self, text: str) -> list[int]:
        """Of a text, without start and end."""
        words = cast("ReadsWords", self.words)
        return list(words.encode(text, add_special_tokens=False).ids) if text else []


@dataclass(frozen=True, slots=True)
class LanguageKind:
    """How a family reads a language model.

    Attributes:
        least: tokens at least, filled up with padding.
        most: tokens at most, start and end among them; what comes after is cut off with a warning. None: any number.
        layers: hidden states to read, from the end (-1 is the last, with the final norm) or from the start (0 is the words
            alone); several lie one after the other along features, or with `stacked` along an axis of their own before
            the tokens. None: every layer's.
        template: what the prompt stands in; a text with weights has none.
        dropped: tokens of the template that are left out of what is read.
        masked: padding is hidden from the other tokens, and the family is told where it lies.
        emptied: what was read of padding is zeros.
        left: padding comes first.
    """

    least: int = 1
    layers: tuple[int, ...] = (-1,)
    stacked: bool = False
    template: str = ""
    dropped: int = 0
    masked: bool = False
    emptied: bool = False
    left: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """Tokens with their padding, and which of them count: 1, or 0 for padding that is hidden."""

    tokens: list[Token]
    mask: list[int]


@dataclass(frozen=True, slots=True, eq=False)
class LanguageEncoder:
    """A language model with its tokenizer.

    Attributes:
        model: a model of transformers that gives hidden states.
        padding: least padding after the end, and tokens at least instead of the family's, where a person has set them.
        sees: whether it reads pictures too.
    """

    model: nn.Module
    tokenizer: WordTokenizer
    kind: LanguageKind = LanguageKind()
    padding: tuple[int, int] | None = None
    sees: bool = False

    @torch.no_grad()
    def encode(
        self,
        prompt: str,
        find: FindEmbedding | None = None,
        pictures: Sequence[Tensor] = (),
        seen: Tensor | None = None,
    ) -> Encoding:
        """Read a prompt of any length. A token of weight w moves from where the same place of an empty prompt stands.

        Args:
            find: learned vectors by the name that a prompt calls them.
            pictures: Float[1 height width colour], one for each `<|image_pad|>` of the prompt and its template.
            seen: Float[word feature], words that stand where the template says `<image>`.

        Raises:
            DiffusionError: the model sees no pictures, or has too few layers for its family.
        """
        if pictures and not self.sees:
            raise DiffusionError(
                "This text encoder sees no pictures: its file holds the language model alone.",
                "Choose the whole file on the loader (of Qwen-Image: qwen_2.5_vl_7b), which has tensors called visual.",
            )
        if seen is not None and seen.shape[-1] != self._width:
            raise DiffusionError(
                f"The vision model's words have {seen.shape[-1]} features, and the text encoder reads {self._width}.",
                "Load the vision model that belongs to it: of HunyuanVideo, llava_llama3_vision.",
            )
        warnings: list[str] = []
        shown = [patches(picture) for picture in pictures]
        tokens = self._with_room(self._read(prompt, find, warnings, seen), shown)
        warnings += misfits(tokens, self._width)
        tokens = self._cut(tokens, warnings)
        rows = [self._row(tokens)]
        if any(token.weight != 1.0 for token in rows[0].tokens):
            rows.append(self._row([], len(rows[0].tokens)))
        masks = torch.tensor([row.mask for row in rows])
        states = self._states([row.tokens for row in rows], masks, shown)
        if len(rows) > 1:
            states = moved(states[:1], states[1:], [rows[0].tokens])
        mask = masks[:1]
        if self.kind.emptied:
            states = states * mask.to(states)[..., None]
        context = states[..., self.kind.dropped :, :].float().cpu()
        told = {"attention_mask": mask[:, self.kind.dropped :]} if self.kind.masked else {}
        return Encoding(context, None, tuple(warnings), told)

    def _read(
        self, prompt: str, find: FindEmbedding | None, warnings: list[str], seen: Tensor | None
    ) -> list[Token]:
        template = self.kind.template
        before, mark, after = template.partition(SEEN)
        if seen is not None and mark:
            head = self._said([Segment(before, 1.0)], None, warnings)
            rest = self._said([Segment(after.replace("{}", sound(prompt)), 1.0)], find, warnings)
            return [*head, *(Token(STAND_IN, 1.0, row, SEEN) for row in seen), *rest]
        if template:
            return self._said([Segment(template.replace("{}", sound(prompt)), 1.0)], find, warnings)
        return self._said(weighted(prompt), find, warnings)

    def _said(
        self, segments: Sequence[Segment], find: FindEmbedding | None, warnings: list[str]
    ) -> list[Token]:
        groups = [
            group for segment in segments for group in segment_groups(segment, self._tokens, find, warnings)
        ]
        return [token for group in groups for token in group]

    def _tokens(self, text: str, weight: float) -> list[Token]:
        return [Token(id, weight) for id in self.tokenizer.ids(text)]

    def _with_room(self, tokens: list[Token], shown: Sequence[Patches]) -> list[Token]:
        """Tokens where the word that stands for a picture is there as often as the picture takes places; no more of it."""
        if not shown:
            return tokens
        place, left = self._placeholder, list(shown)
        made: list[Token] = []
        for token in tokens:
            if token.id != place or token.vector is not None:
                made.append(token)
            elif left:
                made += [token] * left.pop(0).words
        return made

    def _cut(self, tokens: list[Token], warnings: list[str]) -> list[Token]:
        """Tokens, as many as fit between start and end."""
        if self.kind.most is None:
            return tokens
        room = self.kind.most - len(self.tokenizer.start) - len(self.tokenizer.end)
        if len(tokens) > room:
            warnings.append(
                f"The prompt has {len(tokens)} tokens, and this model reads {room}: its end was cut off."
            )
        return tokens[:room]

    @property
    def _placeholder(self) -> int | None:
        return cast("ReadsWords", self.tokenizer.words).token_to_id(PLACEHOLDER)

    @property
    def _width(self) -> int:
        return int(cast("Any", self.model).get_input_embeddings().weight.shape[-1])

    def _row(self, tokens: Sequence[Token], length: int = 0) -> _Row:
        """Tokens without vectors of another model's width, between start and end, filled up to a length."""
        ended = [
            *(Token(id) for id in self.tokenizer.start),
            *(token for token in tokens if token.vector is None or token.vector.shape[-1] == self._width),
            *(Token(id) for id in self.tokenizer.end),
        ] or [Token(self.tokenizer.pad)]
        after, least = self.padding or (0, self.kind.least)
        missing = max(after, least - len(ended), length - len(ended), 0)
        filling = [Token(self.tokenizer.pad)] * missing
        said, unsaid = [1] * len(ended), [0 if self.kind.masked else 1] * missing
        if self.kind.left:
            return _Row([*filling, *ended], [*unsaid, *said])
        return _Row([*ended, *filling], [*said, *unsaid])

    def _states(self, rows: Sequence[Sequence[Token]], mask: Tensor, shown: Sequence[Patches]) -> Tensor:
        device = next(self.model.parameters()).device
        ids = torch.tensor([[token.id for token in row] for row in rows], device=device)
        with standing_in(cast("Any", self.model).get_input_embeddings(), rows):
            read = cast("Any", self.model)(
                input_ids=ids,
                attention_mask=mask.to(device) if self.kind.masked else None,
                output_hidden_states=True,
                **self._seen(ids, shown),
            )
        hidden = [*read.hidden_states[:-1], read.last_hidden_state]
        if any(not -len(hidden) <= layer < len(hidden) for layer in self.kind.layers):
            raise DiffusionError(
                f"This text encoder has {len(hidden) - 1} layers, too few for its family: it reads layers "
                f"{', '.join(str(layer) for layer in self.kind.layers)}.",
                "Choose the file that belongs to the model, and its type on the loader.",
            )
        picked = [cast("Tensor", hidden[layer]) for layer in self.kind.layers] or hidden[1:]
        if self.kind.stacked:
            return torch.stack(picked, 1)
        return torch.cat(picked, -1)

    def _seen(self, ids: Tensor, shown: Sequence[Patches]) -> Mapping[str, Tensor]:
        """Pictures as the model takes them; their places have a row and a column of their own (section 2.1 of its paper)."""
        if not shown:
            return {}
        return {
            "pixel_values": torch.cat([picture.pixels for picture in shown]).to(ids.device),
            "image_grid_thw": torch.tensor([[1, one.rows, one.columns] for one in shown], device=ids.device),
            "mm_token_type_ids": (ids == self._placeholder).int(),
        }
