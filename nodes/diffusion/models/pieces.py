"""SentencePiece's vocabularies from its own files: pieces with scores (Kudo 2018, arXiv:1804.10959), or merged in turn."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Words

UNKNOWN, CONTROL, OWN, BYTE = 2, 3, 4, 6  # kinds of pieces
PIECES, TRAINING, CLEANING = 1, 2, 3  # fields of a file
METHOD, MERGED = 3, 2  # a field of its training, and that field where pieces are merged
FORM, FIRST_SPACE, FEWER_SPACES = 1, 3, 4  # fields of its cleaning: 0 means no
SPACE = "▁"


@dataclass(frozen=True, slots=True)
class Piece:
    """A word or a part of one, how likely it is, and its kind: 1 for what texts are made of, `UNKNOWN`, `CONTROL`...."""

    text: str = ""
    score: float = 0.0
    kind: int = 1


@dataclass(frozen=True, slots=True)
class Pieces:
    """A vocabulary: its pieces, whether they are merged, and what is done to a text first."""

    pieces: Sequence[Piece]
    merged: bool
    form: str
    first_space: bool
    fewer_spaces: bool


def words_of_pieces(data: bytes) -> Words:
    """A vocabulary from the bytes of SentencePiece's file.

    Raises:
        ValueError: they are none.
    """
    return words_of(pieces_in(data))


def pieces_in(data: bytes) -> Pieces:
    """What SentencePiece's file says.

    Raises:
        ValueError: it is none.
    """
    try:
        return _file(data)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"it is cut short ({error})") from error


def words_of(said: Pieces) -> Words:
    """A vocabulary from its pieces.

    Raises:
        ValueError: none of them is for what is unknown.
    """
    unknown = next((index for index, piece in enumerate(said.pieces) if piece.kind == UNKNOWN), None)
    if unknown is None:
        raise ValueError("it has no piece for what is unknown")
    words = _merging(said, unknown) if said.merged else _scoring(said, unknown)
    own = [piece for piece in said.pieces if piece.kind in (CONTROL, OWN)]
    # Those with spaces are looked for after spaces have become what pieces have for them.
    made = [
        AddedToken(piece.text, normalized=SPACE in piece.text, special=piece.kind == CONTROL) for piece in own
    ]
    cast("Any", words).add_tokens(made)
    return words


def _scoring(said: Pieces, unknown: int) -> Words:
    """Of all ways to cut a text, the one with the best sum of scores."""
    bytes_too = any(piece.kind == BYTE for piece in said.pieces)
    kept = [(piece.text, piece.score) for piece in said.pieces]
    words = Words(models.Unigram(kept, unknown, byte_fallback=bytes_too))
    spaces = [normalizers.Replace(Regex(r"\s+" if said.fewer_spaces else r"\s"), " ")]
    words.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), *spaces, normalizers.Strip(left=said.fewer_spaces, right=True)]
    )
    words.pre_tokenizer = pre_tokenizers.Metaspace()
    words.decoder = decoders.Metaspace()
    return words


def _merging(said: Pieces, unknown: int) -> Words:
    """Neighbours joined where a piece is made of them, the best scored first."""
    ids: dict[str, int] = {}
    for index, piece in enumerate(said.pieces):
        ids.setdefault(piece.text, index)
    words = Words(
        models.BPE(
            ids,
            _merges(said.pieces, ids),
            unk_token=said.pieces[unknown].text,
            fuse_unk=True,
            byte_fallback=any(piece.kind == BYTE for piece in said.pieces),
        )
    )
    steps: list[Any] = [] if said.form in ("", "identity") else [normalizers.NFKC()]
    if said.fewer_spaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" +"), " ")]
    if said.first_space:
        steps.append(normalizers.Prepend(SPACE))
    words.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    words.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return words


def _merges(pieces: Sequence[Piece], ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a third, in the order in which they are joined."""
    found: list[tuple[float, int, int, str, str]] = []
    for piece in pieces:
        text = piece.text
        if piece.kind != 1 or len(text) < 2:
            continue
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut:]
            if left in ids and right in ids:
                found.append((-piece.score, ids[left], ids[right], left, right))
    found.sort()
    return [(left, right) for *_, left, right in found]


# --- protocol buffers -----------------------------------------------------------------------------------------------


def _file(data: bytes) -> Pieces:
    pieces: list[Piece] = []
    merged, form, first, fewer = False, "", True, True
    for number, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if number == PIECES:
            pieces.append(_piece(value))
        elif number == TRAINING:
            merged = any(inner == METHOD and entry == MERGED for inner, entry in _fields(value))
        elif number == CLEANING:
            told = dict(_fields(value))
            name = told.get(FORM, b"")
            form = name.decode("utf-8") if isinstance(name, bytes) else ""
            first, fewer = told.get(FIRST_SPACE) != 0, told.get(FEWER_SPACES) != 0
    return Pieces(pieces, merged, form, first, fewer)


def _piece(data: bytes) -> Piece:
    text, score, kind = "", 0.0, 1
    for inner, entry in _fields(data):
        if inner == 1 and isinstance(entry, bytes):
            text = entry.decode("utf-8")
        elif inner == 2 and isinstance(entry, bytes):
            score = struct.unpack("<f", entry)[0]
        elif inner == 3 and isinstance(entry, int):
            kind = entry
    return Piece(text, score, kind)


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
