"""Mistral's vocabularies from its own files (`tekken.json`): bytes merged by rank, after words of their own."""

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Words

from nodes.diffusion.text.tokens import byte_letters

OWN = 1000  # words of their own, where a file does not say how many


def words_of_tekken(data: bytes) -> Words:
    """A vocabulary from the bytes of such a file.

    Raises:
        ValueError, KeyError, TypeError: they are none.
    """
    said = cast("dict[str, Any]", json.loads(data))
    config = said["config"]
    own = int(config.get("default_num_special_tokens", OWN))
    size = int(config["default_vocab_size"]) - own
    letters = list(byte_letters())
    ranks = {base64.b64decode(entry["token_bytes"]): int(entry["rank"]) for entry in said["vocab"][:size]}
    if len(ranks) != min(size, len(said["vocab"])) or not ranks:
        raise ValueError("it has the same word twice, or none")
    named = {int(entry["rank"]): str(entry["token_str"]) for entry in said.get("special_tokens") or ()}
    special = [named.get(rank, f"<SPECIAL_{rank}>") for rank in range(own)]

    def spelt(word: bytes) -> str:
        return "".join(letters[byte] for byte in word)

    ids = {text: rank for rank, text in enumerate(special)}
    ids |= {spelt(word): own + rank for word, rank in ranks.items()}
    merges = [(spelt(left), spelt(right)) for left, right in _merges(ranks)]
    words = Words(models.BPE(ids, merges, ignore_merges=True))
    words.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(config["pattern"]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    words.decoder = decoders.ByteLevel()
    cast("Any", words).add_special_tokens(
        [AddedToken(text, normalized=False, special=True) for text in special]
    )
    return words


def _merges(ranks: Mapping[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """Every pair of words that makes a third, in the order in which they are joined: by the rank of what they make."""
    for word in sorted(ranks, key=ranks.__getitem__):
        pairs = [(word[:cut], word[cut:]) for cut in range(1, len(word))]
        known = [pair for pair in pairs if pair[0] in ranks and pair[1] in ranks]
        yield from sorted(known, key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
