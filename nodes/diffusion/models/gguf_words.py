"""Vocabularies in the headers of GGUF files: SentencePiece's pieces, or bytes merged in turn, as llama.cpp writes them.

Source: llama.cpp's conversion (MIT) for the entries' names; patterns as published with Qwen 2, Llama 3 and Mistral's Tekken.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer as Words

from nodes.diffusion.models.gguf_files import read_facts
from nodes.diffusion.models.merges import PATTERN, words_of_pairs
from nodes.diffusion.models.pieces import CONTROL, OWN, Piece, Pieces, words_of

BEFORE = "tokenizer."
WHOLE = "tokenizer.huggingface.json"  # a tokenizer.json, whole
LLAMA3 = PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# How texts are cut before bytes are merged, by `tokenizer.ggml.pre`; whether whole words are taken before that.
CUTS: Mapping[str, tuple[str, bool]] = {
    "qwen2": (PATTERN, False),
    "llama-bpe": (LLAMA3, True),
    "llama3": (LLAMA3, True),
    "llama-v3": (LLAMA3, True),
    "tekken": (TEKKEN, True),
}
NORMALISED = ("qwen2",)  # whose texts are composed first


def words_of_header(path: Path) -> Words | None:
    """The vocabulary in a file's header; None if it has none, or one whose texts are cut in a way that is not known here.

    Raises:
        CheckpointUnreadable: the header is damaged.
        ValueError, KeyError, TypeError, IndexError: the vocabulary is.
    """
    facts = read_facts(path, BEFORE)
    if isinstance(facts.get(WHOLE), str):
        return cast("Any", Words).from_str(facts[WHOLE])
    said = {name.removeprefix("tokenizer.ggml."): value for name, value in facts.items()}
    tokens, kinds = said.get("tokens"), said.get("token_type")
    if not isinstance(tokens, list) or not tokens:
        return None
    texts = cast("list[str]", tokens)
    kinds = cast("list[int]", kinds) if isinstance(kinds, list) else [1] * len(texts)
    match said.get("model"):
        case "t5" | "llama":
            return _pieces(said, texts, kinds)
        case "gpt2":
            return _merged(said, texts, kinds)
        case _:
            return None


def _pieces(said: Mapping[str, Any], texts: Sequence[str], kinds: Sequence[int]) -> Words:
    scores = said.get("scores") or [0.0] * len(texts)
    pieces = [Piece(*each) for each in zip(texts, scores, kinds, strict=True)]
    merged = said["model"] == "llama"
    form = "nmt_nfkc" if said.get("precompiled_charsmap") else "identity"
    first = bool(said.get("add_space_prefix", True))
    return words_of(
        Pieces(pieces, merged, form, first, bool(said.get("remove_extra_whitespaces", not merged)))
    )


def _merged(said: Mapping[str, Any], texts: Sequence[str], kinds: Sequence[int]) -> Words | None:
    cut = CUTS.get(str(said.get("pre")))
    merges = said.get("merges")
    if cut is None or not isinstance(merges, list):
        return None
    pairs = [tuple(line.split(" ")) for line in cast("list[str]", merges)]
    own = {text: id for id, text in enumerate(texts) if kinds[id] in (CONTROL, OWN)}
    ids = {text: id for id, text in enumerate(texts)}
    pattern, whole = cut
    composed = said.get("pre") in NORMALISED
    return words_of_pairs(
        ids, [(one, two) for one, two in pairs], own, pattern, whole=whole, composed=composed
    )
