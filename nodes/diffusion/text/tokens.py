"""CLIP's tokens: byte-pair encoding, in chunks that the encoder takes, each token with its weight.

Source: Radford et al. 2021 (arXiv:2103.00020), section 2.4; vocabulary and merges in `nodes/diffusion/data`.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from tokenizers import Regex
from tokenizers import Tokenizer as Bpe
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, BertNormalizer, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers
from torch import Tensor

from nodes.diffusion.text.weighting import Segment, weighted

CHUNK = 77
SHORT = 8  # a shorter segment moves whole to the next chunk
MERGES = 49152 - 256 - 2
END_OF_WORD = "</w>"
START_TEXT, END_TEXT = "<|startoftext|>", "<|endoftext|>"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
LEARNED = re.compile(r"(?:(?<=\s)|^)embedding:(\S*)")
STAND_IN = 0  # the id where a learned vector stands

FindEmbedding: TypeAlias = Callable[[str], Tensor | None]


@runtime_checkable
class FindVectors(Protocol):
    """Finds learned vectors."""

    def __call__(self, name: str, encoder: str) -> Tensor | None:
        """Float[token feature] by the name that a prompt calls them, for an encoder by its own ("l"); None: unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """A vocabulary id and how much it counts; `vector`, Float[feature], stands in its place, `name` is what it is called."""

    id: int
    weight: float = 1.0
    vector: Tensor | None = field(default=None, compare=False)
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """A prompt in chunks of 77; `warnings` are for the person who wrote it."""

    chunks: list[list[Token]]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Tokenizer:
    """A vocabulary with its start, end and padding ids."""

    bpe: Bpe
    start: int
    end: int
    pad: int

    def chunks(self, prompt: str) -> list[list[Token]]:
        """The prompt as chunks of 77 tokens, start, end and padding included; at least one.

        A segment of 8 tokens or more is cut where a chunk is full; a shorter one moves whole to the next.
        """
        return self.read(prompt).chunks

    def read(self, prompt: str, find: FindEmbedding | None = None) -> Tokens:
        """The prompt as `chunks`, with learned vectors where it says `embedding:name` after a space or at its start.

        Args:
            find: the vectors of a name, Float[token feature]; None where there are none.
        """
        warnings: list[str] = []
        groups = [
            group
            for segment in weighted(prompt)
            for group in segment_groups(segment, self._tokens, find, warnings)
        ]
        return Tokens(list(self._filled(groups)), tuple(warnings))

    def empty(self) -> list[Token]:
        """The chunk of an empty prompt."""
        return self._closed([Token(self.start)])

    def _tokens(self, text: str, weight: float) -> list[Token]:
        return [Token(id, weight) for id in self.bpe.encode(text, add_special_tokens=False).ids]

    def _filled(self, segments: Sequence[Sequence[Token]]) -> Iterator[list[Token]]:
        chunk = [Token(self.start)]
        for segment in segments:
            left = list(segment)
            while left:
                room = CHUNK - 1 - len(chunk)
                if len(left) <= room:
                    chunk += left
                    break
                if len(segment) >= SHORT:
                    chunk += left[:room]
                    left = left[room:]
                yield self._closed(chunk)
                chunk = [Token(self.start)]
        yield self._closed(chunk)

    def _closed(self, chunk: list[Token]) -> list[Token]:
        ended = [*chunk, Token(self.end)]
        return ended + [Token(self.pad)] * (CHUNK - len(ended))


def segment_groups(
    segment: Segment,
    tokens: Callable[[str, float], Sequence[Token]],
    find: FindEmbedding | None,
    warnings: list[str],
) -> Iterator[Sequence[Token]]:
    """What is cut between chunks as one: the words between learned vectors, and the vectors of each name.

    Args:
        tokens: of a text, each with that weight.
        warnings: gets a line for each name that `find` does not know.
    """
    rest = segment.text
    while (said := LEARNED.search(rest)) is not None:
        yield tokens(rest[: said.start()], segment.weight)
        name, rest = said.group(1), rest[said.end() :]
        vectors = find(name) if find is not None else None
        stem = name.rstrip(",")
        if vectors is None and find is not None and stem != name:
            vectors, rest = find(stem), name[len(stem) :] + rest
        if vectors is None:
            warnings.append(f"There is no embedding {stem!r}: it was left out of the prompt.")
        else:
            rows = vectors.reshape(-1, vectors.shape[-1])
            yield [Token(STAND_IN, segment.weight, row, stem) for row in rows]
    yield tokens(rest, segment.weight)


@cache
def clip_tokenizer(pad: int | None = None) -> Tokenizer:
    """CLIP's own, from the merges that come with Weft. `pad`: 49407 for CLIP-L (the default), 0 for CLIP-G and H."""
    packed = resources.files("nodes.diffusion") / "data" / "clip_merges.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n")[1 : MERGES + 1]
    merges = [(first, second) for first, second in (line.split() for line in lines)]
    letters = list(_byte_letters())
    words = [
        *letters,
        *(letter + END_OF_WORD for letter in letters),
        *(first + second for first, second in merges),
    ]
    vocabulary = {word: index for index, word in enumerate((*words, START_TEXT, END_TEXT))}
    end = vocabulary[END_TEXT]
    return Tokenizer(_bpe(vocabulary, merges), vocabulary[START_TEXT], end, end if pad is None else pad)


def folder_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder: `vocab.json` and `merges.txt`, special tokens by `special_tokens_map.json`.

    Raises:
        OSError, ValueError, KeyError: a file is missing or is not what its name says.
    """
    vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#version")]
    special = _special(folder / "special_tokens_map.json")
    end = vocabulary[special.get("eos_token", END_TEXT)]
    return Tokenizer(
        _bpe(vocabulary, [(pair[0], pair[1]) for pair in pairs]),
        vocabulary[special.get("bos_token", START_TEXT)],
        end,
        vocabulary.get(special.get("pad_token", END_TEXT), end),
    )


def misfits(tokens: Iterable[Token], width: int) -> tuple[str, ...]:
    """A line for each learned vector that is not as wide as a model's own.

    Args:
        width: features of the model's own.
    """
    widths = {
        token.name: token.vector.shape[-1]
        for token in tokens
        if token.vector is not None and token.vector.shape[-1] != width
    }
    return tuple(
        f"The embedding {name!r} was left out of the prompt: it was made for a model of another width "
        f"({found} features, not {width})."
        for name, found in widths.items()
    )


def _special(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    raw: dict[str, str | dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: token if isinstance(token, str) else token["content"] for name, token in raw.items()}


def _bpe(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Bpe:
    bpe = Bpe(
        BPE(vocab=vocabulary, merges=merges, end_of_word_suffix=END_OF_WORD, continuing_subword_prefix="")
    )
    # Spaces around Chinese characters and no control characters: what the field's tokenizer does without ftfy.
    clean = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=True)
    bpe.normalizer = Normalizers([NFC(), clean, Replace(Regex(r"\s+"), " ")])
    bpe.pre_tokenizer = PreTokenizers(
        [
            Split(Regex(WORDS), behavior="removed", invert=True),
            ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return bpe


def byte_letters() -> Iterator[str]:
    """A printable letter for each byte in turn: itself where it is one, else the next free one from 256 up."""
    printable = _printable()
    free = iter(range(256, 512))
    yield from (chr(byte) if byte in printable else chr(next(free)) for byte in range(256))


def _byte_letters() -> Iterator[str]:
    """The same letters, printable bytes first: the order of CLIP's vocabulary."""
    printable = _printable()
    yield from (chr(byte) for byte in printable)
    yield from (chr(256 + index) for index in range(256 - len(printable)))


def _printable() -> list[int]:
    return [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
