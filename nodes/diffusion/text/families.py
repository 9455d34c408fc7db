"""How families join what their text encoders say: one function each, and a table of who reads which.

Encoders go by the names that loaders and prompts of the field have for them: "l", "g", "h" are CLIP's sizes, "t5xxl"
and the like are language models.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.text.encoder import EncoderKind, Encoding, TextEncoder
from nodes.diffusion.text.language import LanguageEncoder, LanguageKind
from nodes.diffusion.text.languages import LANGUAGE_KINDS
from nodes.diffusion.text.tokens import FindVectors, Tokens

Encoder: TypeAlias = TextEncoder | LanguageEncoder
L_WIDTH, G_WIDTH, T5_WIDTH = 768, 1280, 4096
T5_TOKENS = 77  # of Stable Diffusion 3, at least
PLAIN = EncoderKind()
PENULTIMATE = EncoderKind(-2, normalised=False)
PROJECTED = EncoderKind(-2, normalised=False, projected=True)
NORMED = EncoderKind(-2)


@dataclass(frozen=True, slots=True)
class Prompts:
    """A prompt, and those of encoders that read one of their own.

    Attributes:
        own: by name of encoder.
        skips_empty: an encoder whose own prompt is empty reads nothing at all, not even an empty prompt.
    """

    text: str
    own: Mapping[str, str] = field(default_factory=dict[str, str])
    skips_empty: bool = False

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

    def language(self, name: str, kind: LanguageKind) -> Encoding | None:
        """What a language model says of its prompt, read as the family does."""
        encoder = self.encoders.get(name)
        text = self.prompts.of(name)
        if not isinstance(encoder, LanguageEncoder) or (self.prompts.skips_empty and not text):
            return None
        asked = replace(encoder, kind=kind, padding=self.padding.get(name))
        return asked.encode(text, None if self.find is None else partial(self.find, encoder=name))


Family: TypeAlias = Callable[[Reading], Encoding]


def read_prompt(kind: str, reading: Reading) -> Encoding:
    """A prompt as the family of these encoders reads it.

    Args:
        kind: the family, as loaders name it; empty: told from the encoders.

    Raises:
        DiffusionError: these encoders belong to no family.
    """
    names = frozenset(reading.encoders)
    return _family(kind, names)(reading)


def sd1(reading: Reading) -> Encoding:
    """Stable Diffusion 1: CLIP-L, last layer with its norm."""
    return _there(reading.clip("l", PLAIN))


def sd2(reading: Reading) -> Encoding:
    """Stable Diffusion 2: OpenCLIP-H, the layer before the last, with the last one's norm."""
    return _there(reading.clip("h", NORMED))


def sdxl(reading: Reading) -> Encoding:
    """Stable Diffusion XL (Podell et al. 2023, arXiv:2307.01952): both models' features side by side, pooled by G."""
    left, right = _equal(reading, "l", "g")
    small, large = reading.clip("l", PENULTIMATE, left), reading.clip("g", PROJECTED, right)
    if small is None or large is None:
        return _there(small or large)
    return replace(large, context=_beside(small, large), warnings=_warnings(small, large))


def refiner(reading: Reading) -> Encoding:
    """The refiner of Stable Diffusion XL: CLIP-G alone."""
    return _there(reading.clip("g", PROJECTED))


def sd3(reading: Reading) -> Encoding:
    """Stable Diffusion 3 (Esser et al. 2024, arXiv:2403.03206): CLIP's features filled up to T5's, then T5's tokens.

    What is missing is zeros.
    """
    left, right = _equal(reading, "l", "g")
    small, large = reading.clip("l", PENULTIMATE, left), reading.clip("g", PROJECTED, right)
    words = reading.language("t5xxl", LanguageKind(T5_TOKENS))
    width = T5_WIDTH if words is None else words.context.shape[-1]
    parts = [
        _clip_half(small, large, width),
        torch.zeros(1, T5_TOKENS, width) if words is None else words.context,
    ]
    pooled = (
        torch.zeros(1, L_WIDTH) if small is None or small.pooled is None else small.pooled,
        torch.zeros(1, G_WIDTH) if large is None or large.pooled is None else large.pooled,
    )
    return Encoding(torch.cat(parts, 1), torch.cat(pooled, -1), _warnings(small, large, words))


def flux(reading: Reading) -> Encoding:
    """Flux 1: T5's tokens, pooled by CLIP-L."""
    small, words = reading.clip("l", PLAIN), reading.language("t5xxl", LanguageKind(256))
    context = torch.zeros(1, 256, T5_WIDTH) if words is None else words.context
    pooled = torch.zeros(1, L_WIDTH) if small is None else small.pooled
    return Encoding(context, pooled, _warnings(small, words))


def hunyuan_video(reading: Reading) -> Encoding:
    """HunyuanVideo: Llama's tokens, pooled by CLIP-L."""
    small = reading.clip("l", PLAIN)
    words = _there(reading.language("llama", LANGUAGE_KINDS["hunyuan_video"]))
    pooled = torch.zeros(1, L_WIDTH) if small is None else small.pooled
    return replace(words, pooled=pooled, warnings=_warnings(small, words))


def hidream(reading: Reading) -> Encoding:
    """HiDream: T5's tokens, Llama's states of every layer beside them, pooled by both CLIP models."""
    small, large = reading.clip("l", PROJECTED), reading.clip("g", PROJECTED)
    words = reading.language("t5xxl", LanguageKind(128))
    deep = reading.language("llama", LANGUAGE_KINDS["hidream"])
    pooled = (
        torch.zeros(1, L_WIDTH) if small is None or small.pooled is None else small.pooled,
        torch.zeros(1, G_WIDTH) if large is None or large.pooled is None else large.pooled,
    )
    states = torch.zeros(1, 32, 1, T5_WIDTH) if deep is None else deep.context
    context = torch.zeros(1, 128, T5_WIDTH) if words is None else words.context
    told = {"conditioning_llama3": states}
    return Encoding(context, torch.cat(pooled, -1), _warnings(small, large, words, deep), told)


def language_only(encoder: str, kind: str, reading: Reading) -> Encoding:
    """A family that reads one language model and nothing else."""
    return _there(reading.language(encoder, LANGUAGE_KINDS[kind]))


def _family(kind: str, names: frozenset[str]) -> Family:
    named = BY_KIND.get(kind)
    if named is not None and names & named[0]:
        return named[1]
    for needed, family in BY_ENCODERS:
        if needed <= names:
            return family
    held = ", ".join(sorted(names)) or "none"
    raise DiffusionError(
        f"No family of models reads these text encoders together: {held}.",
        "Choose the files that belong to the model, and its type on the loader.",
    )


def _equal(reading: Reading, one: str, other: str) -> tuple[Tokens | None, Tokens | None]:
    """Both prompts in as many chunks: the shorter gets empty ones."""
    if not {one, other} <= reading.encoders.keys():
        return None, None
    left, right = reading.tokens(one), reading.tokens(other)
    length = max(len(left.chunks), len(right.chunks))
    return _longer(reading, one, left, length), _longer(reading, other, right, length)


def _longer(reading: Reading, name: str, tokens: Tokens, length: int) -> Tokens:
    encoder = reading.encoders[name]
    assert isinstance(encoder, TextEncoder)
    missing = length - len(tokens.chunks)
    return replace(tokens, chunks=[*tokens.chunks, *(encoder.tokenizer.empty() for _ in range(missing))])


def _beside(small: Encoding, large: Encoding) -> Tensor:
    tokens = min(small.context.shape[1], large.context.shape[1])
    return torch.cat((small.context[:, :tokens], large.context[:, :tokens]), -1)


def _clip_half(small: Encoding | None, large: Encoding | None, width: int) -> Tensor:
    """CLIP's features, filled up with zeros to a width; each model's in its own place."""
    if small is not None and large is not None:
        made = _beside(small, large)
    elif small is not None:
        made = small.context
    elif large is not None:
        made = F.pad(large.context, (L_WIDTH, 0))
    else:
        return torch.zeros(1, T5_TOKENS, width)
    return F.pad(made, (0, max(0, width - made.shape[-1])))


def _there(encoding: Encoding | None) -> Encoding:
    if encoding is None:
        raise DiffusionError(
            "The text encoder that this prompt is for is not among those loaded.",
            "Choose the type of the model on the loader, and its files.",
        )
    return encoding


def _warnings(*encodings: Encoding | None) -> tuple[str, ...]:
    """What any of them warns of, once."""
    said = [warning for encoding in encodings if encoding is not None for warning in encoding.warnings]
    return tuple(dict.fromkeys(said))


BY_KIND: Mapping[str, tuple[frozenset[str], Family]] = {
    "sd3": (frozenset({"l", "g", "t5xxl"}), sd3),
    "sdxl": (frozenset({"l", "g"}), sdxl),
    "hidream": (frozenset({"l", "g", "t5xxl", "llama"}), hidream),
    "flux": (frozenset({"l", "t5xxl"}), flux),
    "hunyuan_video": (frozenset({"llama"}), hunyuan_video),
    "pixart": (frozenset({"t5xxl"}), partial(language_only, "t5xxl", "pixart")),
    "chroma": (frozenset({"t5xxl"}), partial(language_only, "t5xxl", "pixart")),
    "ltxv": (frozenset({"t5xxl"}), partial(language_only, "t5xxl", "ltxv")),
    "mochi": (frozenset({"t5xxl"}), partial(language_only, "t5xxl", "mochi")),
}
BY_ENCODERS: tuple[tuple[frozenset[str], Family], ...] = (
    (frozenset({"l", "g", "t5xxl", "llama"}), hidream),
    (frozenset({"l", "g", "t5xxl"}), sd3),
    (frozenset({"l", "t5xxl"}), flux),
    (frozenset({"g", "t5xxl"}), sd3),
    (frozenset({"l", "llama"}), hunyuan_video),
    (frozenset({"l", "g"}), sdxl),
    (frozenset({"umt5xxl"}), partial(language_only, "umt5xxl", "wan")),
    (frozenset({"old_t5xxl"}), partial(language_only, "old_t5xxl", "cosmos")),
    (frozenset({"pile_t5xl"}), partial(language_only, "pile_t5xl", "auraflow")),
    (frozenset({"t5base"}), partial(language_only, "t5base", "stable_audio")),
    (frozenset({"t5xxl"}), partial(language_only, "t5xxl", "mochi")),
    (frozenset({"gemma2_2b"}), partial(language_only, "gemma2_2b", "lumina2")),
    (frozenset({"qwen25_7b"}), partial(language_only, "qwen25_7b", "qwen_image")),
    (frozenset({"qwen3_4b"}), partial(language_only, "qwen3_4b", "z_image")),
    (frozenset({"llama"}), hidream),
    (frozenset({"h"}), sd2),
    (frozenset({"g"}), refiner),
    (frozenset({"l"}), sd1),
)
