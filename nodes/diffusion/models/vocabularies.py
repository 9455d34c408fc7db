"""Vocabularies of language models: from the weights' own file, from a folder beside it, fetched once, or asked for.

CLIP's comes with Weft. A file in any of these forms does: `tokenizer.json`, or SentencePiece's `spiece.model`.
"""

import os
import struct
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

from tokenizers import Tokenizer as Words
from tokenizers import decoders, models, normalizers, pre_tokenizers

from nodes.diffusion.errors import CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.files import AGAIN
from nodes.diffusion.models.text_files import FoundText
from nodes.diffusion.text import WordTokenizer

STORED = "spiece_model"  # a tensor of bytes in some files
FILES = ("tokenizer.json", "spiece.model", "tokenizer.model")
SECONDS = 20.0
OFFLINE = "HF_HUB_OFFLINE"  # what people set who want nothing fetched


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is known of a vocabulary: its folder's name, where it is published freely, and what ends a prompt.

    Attributes:
        address: of its `tokenizer.json`; empty where its makers ask for an account.
    """

    name: str
    address: str = ""
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    pad: str = ""


HUB = "https://huggingface.co/{}/resolve/main/tokenizer.json"
T5 = Vocabulary("t5", HUB.format("google-t5/t5-base"), end=("</s>",), pad="<pad>")
UMT5 = Vocabulary("umt5", HUB.format("google/umt5-xxl"), end=("</s>",), pad="<pad>")
QWEN = Vocabulary("qwen2", HUB.format("Qwen/Qwen2.5-7B-Instruct"), pad="<|endoftext|>")
QWEN3 = Vocabulary("qwen3", HUB.format("Qwen/Qwen3-4B"), pad="<|endoftext|>")
VOCABULARIES: Mapping[str, Vocabulary] = {
    "t5xxl": T5,
    "old_t5xxl": T5,
    "t5base": T5,
    "pile_t5xl": Vocabulary("pile_t5", HUB.format("EleutherAI/pile-t5-xl"), end=("</s>",), pad="<pad>"),
    "umt5xxl": UMT5,
    "qwen25_3b": QWEN,
    "qwen25_7b": QWEN,
    "qwen3_2b": QWEN3,
    "qwen3_4b": QWEN3,
    "qwen3_8b": QWEN3,
    "mistral3_24b": Vocabulary("mistral3", start=("<s>",), pad="<pad>"),
    "llama": Vocabulary("llama3", start=("<|begin_of_text|>",), pad="<|end_of_text|>"),
    "gemma2_2b": Vocabulary("gemma2", start=("<bos>",), pad="<pad>"),
}


@dataclass(frozen=True, slots=True)
class _Ids:
    ids: list[int]


class Letters:
    """ByT5's vocabulary (Xue et al. 2022, arXiv:2105.13626): each byte is a word, after padding, end and unknown."""

    def token_to_id(self, token: str) -> int | None:
        """Of a single byte's letter."""
        data = token.encode()
        return data[0] + 3 if len(data) == 1 else None

    def encode(self, sequence: str, *, add_special_tokens: bool) -> _Ids:  # noqa: ARG002
        """A text as its bytes."""
        return _Ids([byte + 3 for byte in sequence.encode()])


class VocabularyMissing(DiffusionError):
    """A language model's file came without its vocabulary."""

    def __init__(self, path: Path, folder: Path, why: str) -> None:
        super().__init__(
            f"{path.name} reads words by a vocabulary that is not there{why}.",
            f"Put its tokenizer.json (or spiece.model) into {folder}, then run again.",
        )


def vocabulary(found: FoundText) -> WordTokenizer:
    """The tokenizer of a language model.

    Raises:
        VocabularyMissing: none is there, and none could be fetched.
        CheckpointUnreadable: one is there, and is damaged.
    """
    if found.name == "byt5":
        return WordTokenizer(Letters(), (), (1,), 0)
    known = VOCABULARIES[found.name]
    path = found.weights.path
    if found.prefix + STORED in found.weights.shapes or STORED in found.weights.shapes:
        name = STORED if STORED in found.weights.shapes else found.prefix + STORED
        stored = found.weights.tensors([name])[name]
        return _closed(_of_pieces(bytes(stored.numpy().tobytes()), path), known)
    for place in _places(path, known):
        if place.is_file():
            return _closed(read_words(place), known)
    return _closed(read_words(_fetched(path, known)), known)


def read_words(path: Path) -> Words:
    """A vocabulary's file.

    Raises:
        CheckpointUnreadable: it is damaged.
    """
    if path.suffix == ".model":
        return _of_pieces(path.read_bytes(), path)
    try:
        return Words.from_file(str(path))
    except Exception as error:
        raise CheckpointUnreadable(path, f"it is no vocabulary ({error})", AGAIN) from error


def home(path: Path, known: Vocabulary) -> Path:
    """The folder where a vocabulary belongs: beside the weights, under its own name, for every file that needs it."""
    return path.parent / known.name


def _places(path: Path, known: Vocabulary) -> Iterator[Path]:
    """Where a vocabulary may lie: in a folder of the file's own name, or in its home."""
    for folder in (path.with_suffix(""), home(path, known)):
        for name in FILES:
            yield folder / name


def _fetched(path: Path, known: Vocabulary) -> Path:
    """The vocabulary's file, fetched into its home for this and all later runs."""
    folder = home(path, known)
    if not known.address:
        raise VocabularyMissing(path, folder, ": its makers ask for an account before they give it")
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        raise VocabularyMissing(path, folder, ", and nothing may be fetched")
    target = folder / FILES[0]
    part = target.with_suffix(f".{os.getpid()}.part")
    try:
        with urllib.request.urlopen(known.address, timeout=SECONDS) as answer:  # noqa: S310 - addresses of our own
            data = answer.read()
        folder.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(target)
    except (URLError, OSError) as error:
        part.unlink(missing_ok=True)
        raise VocabularyMissing(path, folder, f", and could not be fetched ({error})") from error
    return target


def _closed(words: Words, known: Vocabulary) -> WordTokenizer:
    def ids(texts: tuple[str, ...]) -> tuple[int, ...]:
        found = (words.token_to_id(text) for text in texts)
        return tuple(id for id in found if id is not None)

    words.no_padding()
    words.no_truncation()
    pad = words.token_to_id(known.pad)
    return WordTokenizer(words, ids(known.start), ids(known.end), 0 if pad is None else pad)


# --- SentencePiece --------------------------------------------------------------------------------------------------

CONTROL, UNKNOWN, BYTE = 3, 2, 6  # kinds of pieces


def _of_pieces(data: bytes, path: Path) -> Words:
    """A unigram vocabulary (Kudo 2018, arXiv:1804.10959) from SentencePiece's own file."""
    try:
        pieces = list(_pieces(data))
        unknown = next(index for index, (_, _, kind) in enumerate(pieces) if kind == UNKNOWN)
        kept = [(text, score) for text, score, _ in pieces]
        bytes_too = any(kind == BYTE for _, _, kind in pieces)
        words = Words(models.Unigram(kept, unknown, byte_fallback=bytes_too))
    except (ValueError, IndexError, StopIteration, struct.error, UnicodeDecodeError) as error:
        raise CheckpointUnreadable(path, f"its vocabulary does not read ({error})", AGAIN) from error
    words.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace("\n", " "), normalizers.Strip(left=False, right=True)]
    )
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.decoder = decoders.Metaspace()
    cast("Any", words).add_special_tokens([text for text, _, kind in pieces if kind == CONTROL])
    return words


def _pieces(data: bytes) -> Iterator[tuple[str, float, int]]:
    """Text, score and kind of each piece: field 1 of the file, whose own fields are those three."""
    for number, value in _fields(data):
        if number != 1 or not isinstance(value, bytes):
            continue
        text, score, kind = "", 0.0, 1
        for inner, entry in _fields(value):
            if inner == 1 and isinstance(entry, bytes):
                text = entry.decode("utf-8")
            elif inner == 2 and isinstance(entry, bytes):
                score = struct.unpack("<f", entry)[0]
            elif inner == 3 and isinstance(entry, int):
                kind = entry
        yield text, score, kind


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Fields of a message in protocol buffers' wire format: numbers as they are, all else as bytes."""
    place = 0
    while place < len(data):
        head, place = _number(data, place)
        kind = head & 7
        if kind == 0:
            value, place = _number(data, place)
            yield head >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            size, place = _number(data, place)
        if size is None or place + size > len(data):
            raise ValueError("it is cut short")
        yield head >> 3, data[place : place + size]
        place += size


def _number(data: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place
