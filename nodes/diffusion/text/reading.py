"""A prompt on its way through text encoders: what each of them reads, and what it says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from torch import Tensor

from nodes.diffusion.text.encoder import EncoderKind, Encoding, TextEncoder
from nodes.diffusion.text.language import LanguageEncoder, LanguageKind
from nodes.diffusion.text.tokens import FindVectors, Tokens

Encoder: TypeAlias = TextEncoder | LanguageEncoder


@dataclass(frozen=True, slots=True)
class Prompts:
    """A prompt, and those of encoders that read one of their own.

    Attributes:
        own: by name of encoder.
        skips_empty: an encoder whose own prompt is empty reads nothing at all, not even an empty prompt.
        pictures: Float[1 height width colour], for encoders that see.
        seen: what a vision model has seen of a picture, as words: Float[word feature].
        every: of what was seen, each so many words are kept as one of the prompt's.
        manner: what an encoder is told beside the prompt, by a row of `LANGUAGE_KINDS`; empty: the family's own.
    """

    text: str
    own: Mapping[str, str] = field(default_factory=dict[str, str])
    skips_empty: bool = False
    pictures: tuple[Tensor, ...] = ()
    seen: Tensor | None = None
    every: int = 1
    manner: str = ""

    def of(self, encoder: str) -> str:
        """What an encoder reads."""
        return self.own.get(encoder, self.text)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A prompt on its way through the encoders of a clip.

    Attributes:
        layer: hidden state to take of CLIP's models, from the end; None: the family's own.
        find: learned vectors by name and encoder.
        padding: least padding and length by encoder.
    """

    encoders: Mapping[str, Encoder]
    prompts: Prompts
    layer: int | None = None
    find: FindVectors | None = None
    padding: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def clip(self, name: str, kind: EncoderKind, tokens: Tokens | None = None) -> Encoding | None:
        """What a CLIP model says of its prompt, read as the family does; None where there is none, or no token."""
        encoder = self.encoders.get(name)
        if not isinstance(encoder, TextEncoder):
            return None
        read = self.tokens(name) if tokens is None else tokens
        return replace(encoder, kind=kind).encode_tokens(read, self.layer) if read.chunks else None

    def tokens(self, name: str) -> Tokens:
        """A CLIP model's prompt in tokens."""
        encoder = self.encoders[name]
        assert isinstance(encoder, TextEncoder)
        text = self.prompts.of(name)
        if self.prompts.skips_empty and not text:
            return Tokens([])
        return encoder.tokenizer.read(text, None if self.find is None else partial(self.find, encoder=name))

    def language(self, name: str, kind: LanguageKind, said: str | None = None) -> Encoding | None:
        """What a language model says of its prompt, or of what is `said` instead, read as the family does."""
        encoder = self.encoders.get(name)
        text = self.prompts.of(name) if said is None else said
        if not isinstance(encoder, LanguageEncoder) or (self.prompts.skips_empty and not text):
            return None
        asked = replace(encoder, kind=kind, padding=self.padding.get(name))
        find = None if self.find is None else partial(self.find, encoder=name)
        return asked.encode(text, find, self.prompts.pictures, self.prompts.seen)
