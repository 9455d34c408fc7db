"""How families join what their text encoders say: one function each, and a table of who reads which.

Encoders go by the names that loaders and prompts of the field have for them: "l", "g", "h" are CLIP's sizes, "t5xxl"
and the like are language models.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.text.encoder import EncoderKind, Encoding, TextEncoder
from nodes.diffusion.text.language import LanguageEncoder, LanguageKind
from nodes.diffusion.text.languages import LANGUAGE_KINDS
from nodes.diffusion.text.quoting import quotes
from nodes.diffusion.text.reading import Reading
from nodes.diffusion.text.tokens import Tokens

L_WIDTH, G_WIDTH, T5_WIDTH = 768, 1280, 4096
T5_TOKENS = 77  # of Stable Diffusion 3, at least
PLAIN = EncoderKind()
PENULTIMATE = EncoderKind(-2, normalised=False)
PROJECTED = EncoderKind(-2, normalised=False, projected=True)
NORMED = EncoderKind(-2)
LAST = EncoderKind(-1, normalised=False, projected=True, masked=True)
MISTRAL, QWEN = "mistral3_24b", "qwen25_7b"
QWEN3 = ("qwen3_8b", "qwen3_4b")
BEFORE_PICTURE, AFTER_SYSTEM, AFTER_PROMPT = (
    5,
    102,
    4,
)  # tokens of HunyuanVideo's template around picture and prompt
UNREAD_TYPES = {
    "ace": "ACE-Step reads UMT5 base and lyrics in a vocabulary of their own",
    "omnigen2": "OmniGen 2 is a family of models that Weft does not have",
    "newbie": "NewBie reads Jina CLIP beside Gemma 3",
}


Family: TypeAlias = Callable[[Reading], Encoding]


def read_prompt(kind: str, reading: Reading) -> Encoding:
    """A prompt as the family of these encoders reads it.

    Args:
        kind: the family, as loaders name it; empty: told from the encoders.

    Raises:
        DiffusionError: these encoders belong to no family, see no pictures, or make of the prompt what is no number.
    """
    if (reading.prompts.pictures or reading.prompts.seen is not None) and not any(
        isinstance(encoder, LanguageEncoder) for encoder in reading.encoders.values()
    ):
        raise DiffusionError(
            "These text encoders see no pictures.",
            "Load the one that the model was trained with, such as qwen_2.5_vl_7b for Qwen-Image-Edit.",
        )
    made = _family(kind, frozenset(reading.encoders))(reading)
    if not made.context.isfinite().all():
        raise DiffusionError(
            "The text encoder answered with values that are no numbers.",
            "Take smaller weights in the prompt, or start Weft with --fp32-text-enc.",
        )
    return made


def known_type(kind: str) -> None:
    """Whether text encoders can be read as loaders' type says.

    Raises:
        DiffusionError: no model that Weft has reads that type.
    """
    if kind in UNREAD_TYPES:
        raise DiffusionError(
            f"Text encoders of type {kind} cannot be read: {UNREAD_TYPES[kind]}, which Weft has not yet.",
            "Choose the type of a model in the list of families (nodes/diffusion/README.md).",
        )


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
    """HunyuanVideo: Llama's tokens, pooled by CLIP-L. Of a picture to start from, some of its words come first."""
    small = reading.clip("l", PLAIN)
    pooled = torch.zeros(1, L_WIDTH) if small is None else small.pooled
    seen = reading.prompts.seen
    if seen is None:
        words = _there(reading.language("llama", LANGUAGE_KINDS["hunyuan_video"]))
        return replace(words, pooled=pooled, warnings=_warnings(small, words))
    words = _there(reading.language("llama", LANGUAGE_KINDS["hunyuan_video_i2v"]))
    context, size = words.context, len(seen)
    parts = (
        context[:, BEFORE_PICTURE : BEFORE_PICTURE + size : reading.prompts.every],
        context[:, AFTER_SYSTEM + size : -AFTER_PROMPT - 1],
        context[:, -1:],
    )
    joined = torch.cat(parts, 1)
    told = {"attention_mask": torch.ones(joined.shape[:2], dtype=torch.int64)}
    return Encoding(joined, pooled, _warnings(small, words), told)


def stable_cascade(reading: Reading) -> Encoding:
    """Stable Cascade (Pernias et al. 2023, arXiv:2306.00637): CLIP-G, last layer without its norm, padding hidden."""
    return _there(reading.clip("g", LAST))


def hunyuan_dit(reading: Reading) -> Encoding:
    """Hunyuan-DiT (Li et al. 2024, arXiv:2405.08748): the tokens of a Chinese BERT, and mT5's beside them."""
    words = _there(reading.language("hydit_clip", LANGUAGE_KINDS["hunyuan_dit"]))
    more = reading.language("mt5xl", LANGUAGE_KINDS["hunyuan_dit_t5"])
    if more is None:
        return words
    told = {"conditioning_mt5xl": more.context, "attention_mask_mt5xl": more.extra["attention_mask"]}
    return replace(words, extra={**words.extra, **told}, warnings=_warnings(words, more))


def qwen_image(reading: Reading) -> Encoding:
    """Qwen-Image: Qwen2.5-VL's tokens, of pictures to edit too."""
    return _there(reading.language(QWEN, LANGUAGE_KINDS[reading.prompts.manner or "qwen_image"]))


def glyphs(kind: str, reading: Reading) -> Encoding:
    """HunyuanImage 2.1 and HunyuanVideo 1.5: Qwen2.5-VL's tokens, beside them ByT5's of what the prompt has in quotes."""
    text = reading.prompts.of(QWEN)
    said = (text or " ") if kind == "hunyuan_video_15" else text
    words = _there(reading.language(QWEN, LANGUAGE_KINDS[kind], said))
    quoted = quotes(text, singly=kind == "hunyuan_image")
    letters = reading.language("byt5", LANGUAGE_KINDS["glyphs"], quoted) if quoted else None
    if letters is None:
        return words
    told = {"conditioning_byt5small": letters.context}
    return replace(words, extra={**words.extra, **told}, warnings=_warnings(words, letters))


def kandinsky5(kind: str, reading: Reading) -> Encoding:
    """Kandinsky 5: Qwen2.5-VL's tokens, pooled by CLIP-L."""
    small, words = reading.clip("l", PLAIN), _there(reading.language(QWEN, LANGUAGE_KINDS[kind]))
    pooled = torch.zeros(1, L_WIDTH) if small is None else small.pooled
    return replace(words, pooled=pooled, warnings=_warnings(small, words))


def flux2(reading: Reading) -> Encoding:
    """FLUX.2: three layers of Mistral 3, one after the other along features; its small kind (Klein) reads Qwen3's."""
    words = reading.language(MISTRAL, LANGUAGE_KINDS["flux2"])
    for name in QWEN3:
        words = words or reading.language(name, LANGUAGE_KINDS["klein"])
    return _there(words)


def hidream(reading: Reading) -> Encoding:
    """HiDream: T5's tokens, Llama's states of every layer beside them, pooled by both CLIP models."""
    small, large = reading.clip("l", PROJECTED), reading.clip("g", PROJECTED)
    words = reading.language("t5xxl", LanguageKind(128, masked=True))
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
    "stable_cascade": (frozenset({"g"}), stable_cascade),
    "hunyuan_dit": (frozenset({"hydit_clip"}), hunyuan_dit),
    "flux2": (frozenset({MISTRAL, *QWEN3}), flux2),
    "hunyuan_image": (frozenset({QWEN}), partial(glyphs, "hunyuan_image")),
    "hunyuan_video_15": (frozenset({QWEN}), partial(glyphs, "hunyuan_video_15")),
    "kandinsky5": (frozenset({QWEN}), partial(kandinsky5, "kandinsky5")),
    "kandinsky5_image": (frozenset({QWEN}), partial(kandinsky5, "kandinsky5_image")),
    "wan": (frozenset({"umt5xxl"}), partial(language_only, "umt5xxl", "wan")),
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
    (frozenset({"hydit_clip"}), hunyuan_dit),
    (frozenset({"umt5xxl"}), partial(language_only, "umt5xxl", "wan")),
    (frozenset({"old_t5xxl"}), partial(language_only, "old_t5xxl", "cosmos")),
    (frozenset({"pile_t5xl"}), partial(language_only, "pile_t5xl", "auraflow")),
    (frozenset({"t5base"}), partial(language_only, "t5base", "stable_audio")),
    (frozenset({"t5xxl"}), partial(language_only, "t5xxl", "mochi")),
    (frozenset({"gemma2_2b"}), partial(language_only, "gemma2_2b", "lumina2")),
    (frozenset({"gemma3_4b"}), partial(language_only, "gemma3_4b", "lumina2")),
    (frozenset({QWEN, "byt5"}), partial(glyphs, "hunyuan_image")),
    (frozenset({QWEN, "l"}), partial(kandinsky5, "kandinsky5")),
    (frozenset({QWEN}), qwen_image),
    (frozenset({"qwen3_4b"}), partial(language_only, "qwen3_4b", "z_image")),
    (frozenset({"qwen3_2b"}), partial(language_only, "qwen3_2b", "ovis")),
    (frozenset({"qwen3_8b"}), flux2),
    (frozenset({MISTRAL}), flux2),
    (frozenset({"llama"}), hidream),
    (frozenset({"h"}), sd2),
    (frozenset({"g"}), refiner),
    (frozenset({"l"}), sd1),
)
