"""Vocabularies of language models: from the weights' own file, from a folder beside it, fetched once, or asked for.

CLIP's comes with Weft, GGUF files bring their own. A file in any of these forms does: `tokenizer.json`, SentencePiece's
`spiece.model`, Mistral's `tekken.json`, BERT's `vocab.txt`, or Qwen's `vocab.json` with `merges.txt`. A model's folder has
it in `tokenizer` beside `text_encoder`.
"""

import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.error import URLError

from tokenizers import Tokenizer as Words

from nodes.diffusion.errors import CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.files import AGAIN, GGUF
from nodes.diffusion.models.gguf_words import words_of_header
from nodes.diffusion.models.merges import FILES as MERGES
from nodes.diffusion.models.merges import words_of_merges
from nodes.diffusion.models.pieces import words_of_pieces
from nodes.diffusion.models.tekken import words_of_tekken
from nodes.diffusion.models.text_files import FoundText
from nodes.diffusion.models.word_pieces import words_of_list
from nodes.diffusion.text import WordTokenizer

STORED = {"spiece_model": words_of_pieces, "tekken_model": words_of_tekken}  # tensors of bytes in some files
TEKKEN = "tekken.json"
PART = "text_encoder"  # begins the names of encoders' folders in a model's folder
LIST = "vocab.txt"
FILES = ("tokenizer.json", "spiece.model", "tokenizer.model", TEKKEN, LIST)
SECONDS = 20.0
OFFLINE = "HF_HUB_OFFLINE"  # what people set who want nothing fetched

_Data = TypeVar("_Data", bytes, Path)
_Words = TypeVar("_Words", Words, Words | None)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What is known of a vocabulary: its folder's name, where it is published freely, and what ends a prompt.

    Attributes:
        address: of its file; empty where its makers ask for an account.
    """

    name: str
    address: str = ""
    start: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    pad: str = ""


FOLDER = "https://huggingface.co/{}/resolve/main/{}"
HUB = "https://huggingface.co/{}/resolve/main/tokenizer.json"
T5 = Vocabulary("t5", HUB.format("google-t5/t5-base"), end=("</s>",), pad="<pad>")
UMT5 = Vocabulary("umt5", HUB.format("google/umt5-xxl"), end=("</s>",), pad="<pad>")
QWEN = Vocabulary("qwen2", HUB.format("Qwen/Qwen2.5-7B-Instruct"), pad="<|endoftext|>")
QWEN3 = Vocabulary("qwen3", HUB.format("Qwen/Qwen3-4B"), pad="<|endoftext|>")
HUNYUAN_BERT = FOLDER.format("Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers", "tokenizer/vocab.txt")
VOCABULARIES: Mapping[str, Vocabulary] = {
    "t5xxl": T5,
    "old_t5xxl": T5,
    "t5base": T5,
    "pile_t5xl": Vocabulary("pile_t5", HUB.format("EleutherAI/pile-t5-xl"), end=("</s>",), pad="<pad>"),
    "umt5xxl": UMT5,
    "mt5xl": Vocabulary("mt5", FOLDER.format("google/mt5-xl", "spiece.model"), end=("</s>",), pad="<pad>"),
    "hydit_clip": Vocabulary("hunyuan_bert", HUNYUAN_BERT, ("[CLS]",), ("[SEP]",), "[PAD]"),
    "qwen25_3b": QWEN,
    "qwen25_7b": QWEN,
    "qwen3_2b": QWEN3,
    "qwen3_4b": QWEN3,
    "qwen3_8b": QWEN3,
    "mistral3_24b": Vocabulary("mistral3", start=("<s>",), pad="<pad>"),
    "llama": Vocabulary("llama3", start=("<|begin_of_text|>",), pad="<|end_of_text|>"),
    "gemma2_2b": Vocabulary("gemma2", start=("<bos>",), pad="<pad>"),
    "gemma3_4b": Vocabulary("gemma3", start=("<bos>",), pad="<pad>"),
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
            f"Put its tokenizer.json (or spiece.model, or tekken.json) into {folder}, then run again.",
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
    for name, read in STORED.items():
        for whole in (name, found.outer + name, found.prefix + name):
            if whole in found.weights.shapes:
                stored = found.weights.tensors([whole])[whole]
                return _closed(_read(read, bytes(stored.numpy().tobytes()), path), known)
    if path.suffix.lower() == GGUF and (words := _read(words_of_header, path, path)) is not None:
        return _closed(words, known)
    for place in _places(path, known):
        if place.is_file():
            return _closed(read_words(place), known)
    for folder in _folders(path, known):
        if (folder / MERGES[0]).is_file() and (folder / MERGES[1]).is_file():
            return _closed(_read(words_of_merges, folder, folder), known)
    return _closed(read_words(_fetched(path, known)), known)


def read_words(path: Path) -> Words:
    """A vocabulary's file.

    Raises:
        CheckpointUnreadable: it is damaged.
    """
    if path.suffix == ".model":
        return _read(words_of_pieces, path.read_bytes(), path)
    if path.suffix == ".txt":
        return _read(words_of_list, path, path)
    if path.name == TEKKEN:
        return _read(words_of_tekken, path.read_bytes(), path)
    try:
        return Words.from_file(str(path))
    except Exception as error:
        raise CheckpointUnreadable(path, f"it is no vocabulary ({error})", AGAIN) from error


def _read(read: Callable[[_Data], _Words], data: _Data, path: Path) -> _Words:
    try:
        return read(data)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise CheckpointUnreadable(path, f"its vocabulary does not read ({error})", AGAIN) from error


def home(path: Path, known: Vocabulary) -> Path:
    """The folder where a vocabulary belongs: beside the weights, under its own name, for every file that needs it."""
    return path.parent / known.name


def _folders(path: Path, known: Vocabulary) -> Iterator[Path]:
    """Where a vocabulary may lie: in a folder of the file's own name, in its home, or in that of a model's folder."""
    yield path.with_suffix("")
    yield home(path, known)
    if path.parent.name.startswith(PART):
        yield path.parent.with_name(path.parent.name.replace(PART, "tokenizer"))


def _places(path: Path, known: Vocabulary) -> Iterator[Path]:
    for folder in _folders(path, known):
        for name in FILES:
            yield folder / name


def _fetched(path: Path, known: Vocabulary) -> Path:
    """The vocabulary's file, fetched into its home for this and all later runs."""
    folder = home(path, known)
    if not known.address:
        raise VocabularyMissing(path, folder, ": its makers ask for an account before they give it")
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        raise VocabularyMissing(path, folder, ", and nothing may be fetched")
    target = folder / known.address.rpartition("/")[2]
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
