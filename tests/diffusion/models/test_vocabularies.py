"""Vocabularies as people have them: SentencePiece's files, Mistral's, and those that lie in a file of weights."""

import base64
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from transformers import Qwen2Tokenizer

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.pieces import words_of_pieces
from nodes.diffusion.models.tekken import words_of_tekken
from nodes.diffusion.models.text_files import find_texts
from nodes.diffusion.models.vocabularies import VocabularyMissing, vocabulary

DATA = Path(__file__).parents[2] / "data" / "pieces"
EXPECTED: dict[str, dict[str, list[int]]] = json.loads((DATA / "expected.json").read_text("utf-8"))


@pytest.mark.parametrize("name", list(EXPECTED))
def test_pieces_are_merged_as_sentencepiece_merges_them(name: str):
    words = words_of_pieces((DATA / f"{name}.model").read_bytes())
    made = {text: words.encode(text, add_special_tokens=False).ids for text in EXPECTED[name]}
    assert made == EXPECTED[name]


# --- Mistral's ------------------------------------------------------------------------------------------------------

JOINED = [
    b"re",
    b"ed",
    b" c",
    b" ca",
    b" cat",
    b"at",
    b" r",
    b" red",
    b"\xc3\xa4",
    b"in",
    b"ing",
    b"the",
    b"th",
]
RANKS = {word: rank for rank, word in enumerate([bytes([byte]) for byte in range(256)] + JOINED)}
PATTERN = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
NAMED = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")
OWN = 8


def tekken(**changed: Any) -> bytes:
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(word).decode(), "token_str": None}
        for word, rank in RANKS.items()
    ]
    named = [{"rank": rank, "token_str": text, "is_control": True} for rank, text in enumerate(NAMED)]
    sizes = {"default_vocab_size": OWN + len(RANKS), "default_num_special_tokens": OWN}
    return json.dumps(
        {"config": {"pattern": PATTERN, **sizes}, "vocab": vocab, "special_tokens": named} | changed
    ).encode()


def by_rank(word: bytes) -> list[int]:
    """What tiktoken's rule makes of a word: the neighbours of the lowest rank are joined until none are."""
    parts = [word[at : at + 1] for at in range(len(word))]
    while word not in RANKS:
        ranks = [RANKS.get(left + right, 10**9) for left, right in pairwise(parts)]
        if not ranks or min(ranks) == 10**9:
            break
        at = ranks.index(min(ranks))
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    else:
        parts = [word] if word else []
    return [OWN + RANKS[part] for part in parts]


@settings(max_examples=60)
@given(st.text(alphabet="redcating h ä", max_size=20))
def test_mistral_s_bytes_are_joined_by_rank(text: str):
    words = words_of_tekken(tekken())
    split = [part for part, _ in words.pre_tokenizer.pre_tokenize_str(text)]  # type: ignore[union-attr]
    assert sum(len(part) for part in split) == len(text.encode())
    made = words.encode(text, add_special_tokens=False).ids
    spelt = {letter: byte for byte, letter in enumerate(letters())}
    assert made == [id for part in split for id in by_rank(bytes(spelt[letter] for letter in part))]


def letters() -> list[str]:
    from nodes.diffusion.text.tokens import byte_letters

    return list(byte_letters())


def test_mistral_s_own_words_have_the_first_ids():
    words = words_of_tekken(tekken())
    assert words.encode("<s>[INST]red[/INST]", add_special_tokens=False).ids == [
        1,
        3,
        OWN + RANKS[b"re"],
        OWN + ord("d"),
        4,
    ]
    assert words.token_to_id("<SPECIAL_6>") == 6


# --- in files of weights --------------------------------------------------------------------------------------------


def mistral(path: Path, **more: torch.Tensor) -> Path:
    shapes = {
        "embed_tokens.weight": (300, 16), "layers.0.self_attn.q_proj.weight": (8, 16),
        "layers.0.self_attn.k_proj.weight": (8, 16), "layers.0.mlp.gate_proj.weight": (8, 16),
    }  # fmt: skip
    save_file({f"model.{name}": torch.zeros(shape) for name, shape in shapes.items()} | more, path)
    return path


def test_a_vocabulary_in_the_file_of_weights_is_the_first_choice(tmp_path: Path):
    stored = torch.frombuffer(bytearray(tekken()), dtype=torch.uint8)
    found = find_texts(mistral(tmp_path / "flux2.safetensors", tekken_model=stored))
    assert [one.name for one in found] == ["mistral3_24b"]
    words = vocabulary(found[0])
    assert words.start == (1,) and words.ids("red") == [OWN + RANKS[b"re"], OWN + ord("d")]


def test_mistral_s_file_in_its_folder_does_too_and_without_it_the_error_names_the_place(tmp_path: Path):
    found = find_texts(mistral(tmp_path / "flux2.safetensors"))
    with pytest.raises(VocabularyMissing, match=r"tekken\.json.* into .*mistral3"):
        vocabulary(found[0])
    (tmp_path / "mistral3").mkdir()
    (tmp_path / "mistral3" / "tekken.json").write_bytes(tekken())
    assert vocabulary(found[0]).start == (1,)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tekken_model", b"{}"),
        ("tekken_model", b"no json"),
        ("tekken_model", tekken(config={"default_vocab_size": 4})),
        ("spiece_model", b"\x0a\xff"),
        ("spiece_model", b""),
    ],
)
def test_a_damaged_vocabulary_is_told_by_its_file(tmp_path: Path, name: str, data: bytes):
    stored = torch.frombuffer(bytearray(data or b"\x00"), dtype=torch.uint8)
    found = find_texts(mistral(tmp_path / "flux2.safetensors", **{name: stored}))
    with pytest.raises(CheckpointUnreadable, match=r"flux2\.safetensors .*vocabulary"):
        vocabulary(found[0])


# --- in folders -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", ["added_tokens.json", "tokenizer_config.json"])
def test_qwen_s_older_folders_read_as_its_own_tokenizer(tmp_path: Path, own: str):
    merges = [("r", "e"), ("re", "d"), ("\u0120", "c"), ("\u0120c", "a"), ("\u0120ca", "t"), ("t", "h")]
    texts = [*letters(), *dict.fromkeys("".join(pair) for pair in merges)]
    ids = {text: index for index, text in enumerate(texts)}
    special = {"<|endoftext|>": len(ids), "<|im_start|>": len(ids) + 1, "<|im_end|>": len(ids) + 2}
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(ids), "utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", "utf-8")
    said = {"added_tokens_decoder": {str(id): {"content": text} for text, id in special.items()}}
    (folder / own).write_text(json.dumps(special if own.startswith("added") else said), "utf-8")
    (tmp_path / "text_encoder").mkdir()
    shapes = {
        "embed_tokens.weight": (300, 16), "layers.0.self_attn.q_proj.weight": (16, 16),
        "layers.0.self_attn.q_proj.bias": (16,), "layers.0.self_attn.k_proj.weight": (8, 16),
    }  # fmt: skip
    path = tmp_path / "text_encoder" / "model.safetensors"
    save_file({f"model.{name}": torch.zeros(shape) for name, shape in shapes.items()}, path)
    words = vocabulary(find_texts(path)[0])
    theirs = Qwen2Tokenizer(vocab=ids, merges=merges, extra_special_tokens=["<|im_start|>", "<|im_end|>"])
    for text in ("a red cat", "The  cat\n\n isn't 123 redder", "<|im_start|>user\ncat<|im_end|>", "e\u0301"):
        assert words.ids(text) == theirs.encode(text), text
    assert words.pad == special["<|endoftext|>"]
    (folder / "merges.txt").write_text("a b c\n", "utf-8")
    with pytest.raises(CheckpointUnreadable, match="vocabulary"):
        vocabulary(find_texts(path)[0])
