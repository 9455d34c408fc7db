"""Qwen's vocabularies as its older folders have them: `vocab.json`, `merges.txt`, and words of its own in a third file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Words

FILES = ("vocab.json", "merges.txt")
ADDED, SETTINGS = "added_tokens.json", "tokenizer_config.json"
# As published with Qwen 2 (Yang et al. 2024, arXiv:2407.10671).
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def words_of_merges(folder: Path) -> Words:
    """A vocabulary of bytes that are merged in turn.

    Raises:
        OSError, ValueError, KeyError, TypeError: a file is missing or is not what its name says.
    """
    ids = cast("dict[str, int]", json.loads((folder / FILES[0]).read_text("utf-8")))
    lines = (folder / FILES[1]).read_text("utf-8").splitlines()
    pairs = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    own = _own(folder)
    return words_of_pairs({**ids, **own}, [(one, two) for one, two in pairs], own)


def words_of_pairs(
    ids: Mapping[str, int],
    pairs: Sequence[tuple[str, str]],
    own: Mapping[str, int],
    pattern: str = PATTERN,
    *,
    whole: bool = False,
    composed: bool = True,
) -> Words:
    """A vocabulary of bytes, spelt as letters, that are merged in turn.

    Args:
        own: words that are never cut, with their ids.
        pattern: how a text is cut first. whole: what is a word then is not merged, but taken.
        composed: letters and their marks are made one first.

    Raises:
        ValueError: a pair is of words that it does not have.
    """
    unknown = next((word for one, two in pairs for word in (one, two, one + two) if word not in ids), None)
    if unknown is not None:
        raise ValueError(f"it merges {unknown!r}, which is none of its words")
    made = Words(models.BPE(dict(ids), list(pairs), ignore_merges=whole))
    if composed:
        made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    words = [AddedToken(text, normalized=False, special=True) for text in sorted(own, key=own.__getitem__)]
    cast("Any", made).add_special_tokens(words)
    return made


def _own(folder: Path) -> Mapping[str, int]:
    """Words that are never cut, with their ids."""
    added, settings = folder / ADDED, folder / SETTINGS
    if added.is_file():
        return cast("dict[str, int]", json.loads(added.read_text("utf-8")))
    if not settings.is_file():
        return {}
    said = cast("dict[str, Any]", json.loads(settings.read_text("utf-8")))
    return {str(word["content"]): int(id) for id, word in said.get("added_tokens_decoder", {}).items()}
