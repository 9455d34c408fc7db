"""A small CLIP tokenizer: the byte characters and the merges that make every word of our captions one token."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
LENGTH = 77
_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")  # CLIP's pattern, for ASCII

_Symbols = tuple[str, ...]


def write(phrases: list[str], folder: Path) -> None:
    """Write vocabulary, merges and settings of a tokenizer that knows the words of `phrases` whole."""
    characters = _byte_characters()
    counts = Counter(word for phrase in phrases for word in _WORD.findall(phrase.lower()))
    merges = _merges({_symbols(word, characters): count for word, count in counts.items()})
    bases = list(characters.values())
    vocabulary = [*bases, *(base + "</w>" for base in bases), *(a + b for a, b in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "vocab.json", {token: index for index, token in enumerate(vocabulary)})
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    special = {
        "bos_token": _special(START),
        "eos_token": _special(END),
        "unk_token": _special(END),
        "pad_token": END,
    }
    _write_json(folder / "special_tokens_map.json", special)
    settings = {
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": LENGTH,
        "tokenizer_class": "CLIPTokenizer",
    }
    _write_json(folder / "tokenizer_config.json", settings | special)


def read(folder: Path) -> CLIPTokenizer:
    """The tokenizer in `folder`."""
    return CLIPTokenizer.from_pretrained(folder)


def _merges(words: dict[_Symbols, int]) -> list[tuple[str, str]]:
    """Byte-pair encoding until every word is one symbol; the more frequent pair first, ties by spelling."""
    merges: list[tuple[str, str]] = []
    while True:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = {_joined(word, best): count for word, count in words.items()}


def _joined(word: _Symbols, pair: tuple[str, str]) -> _Symbols:
    """`word` with every occurrence of `pair` made one symbol."""
    joined: list[str] = []
    index = 0
    while index < len(word):
        found = word[index : index + 2] == pair
        joined.append(word[index] + word[index + 1] if found else word[index])
        index += 2 if found else 1
    return tuple(joined)


def _symbols(word: str, characters: dict[int, str]) -> _Symbols:
    """A word as single symbols, the last one marked as the end."""
    symbols = [characters[byte] for byte in word.encode()]
    return (*symbols[:-1], symbols[-1] + "</w>")


def _byte_characters() -> dict[int, str]:
    """A printable character for every byte, as in GPT-2 (Radford et al. 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = {byte: chr(byte) for byte in printable}
    hidden = [byte for byte in range(256) if byte not in characters]
    return characters | {byte: chr(256 + offset) for offset, byte in enumerate(hidden)}


def _special(token: str) -> dict[str, str | bool]:
    return {"content": token, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
