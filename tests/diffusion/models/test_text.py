"""Prompts, tokens and encodings, held to the field's recorded answers."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel

from nodes.diffusion.text import EncoderKind, TextEncoder, clip_tokenizer, folder_tokenizer, weighted

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
STARTER = Path(__file__).parents[3] / "nodes" / "starter" / "weft-starter-v0"
MODES = {
    "sd1_last": (EncoderKind(), None),
    "sd1_clipskip2": (EncoderKind(), -2),
    "sdxl_l_penultimate": (EncoderKind(-2, normalised=False, projected=True), None),
    "sdxl_g_like_proj": (EncoderKind(-2, normalised=False, projected=True), None),
}


@cache
def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("prompt", list(golden("tokens")["token_weights"]))
def test_weights(prompt: str):
    unmarked = {"\x00\x01": ")", "\x00\x02": "("}
    expected = []
    for text, weight in golden("tokens")["token_weights"][prompt]:
        for mark, char in unmarked.items():
            text = text.replace(mark, char)
        expected.append((text, weight))
    assert [(segment.text, segment.weight) for segment in weighted(prompt)] == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("(a:1.2:1.3)", [("a:1.2", 1.3)]),
        ("(a:-0.5)", [("a", -0.5)]),
        ("(a:0)(b: 2 )", [("a", 0.0), ("b", 2.0)]),
        ("(:1.5)()", [(":1.5", 1.1)]),
        ("((a:1.3) b)", [("a", 1.3), (" b", 1.1)]),
        ("(((a)))", [("a", 1.1**3)]),
        (r"\((a\):2)", [("(", 1.0), ("a)", 2.0)]),
        ("a (b (c) d", [("a ", 1.0), ("(b (c) d", 1.0)]),
        ("a) (b)", [("a) ", 1.0), ("b", 1.1)]),
        ("[a] {b}", [("[a] {b}", 1.0)]),
        ("(Avengers: Infinity) (a:nan) (a:1e999)", [("Avengers: Infinity", 1.1), (" ", 1.0), ("a:nan", 1.1),
         (" ", 1.0), ("a:1e999", 1.1)]),
        ("\x01a\x02", [("a", 1.0)]),
        ("\ud83d\ude00 \ud800", [("\U0001f600 \ufffd", 1.0)]),
    ],
)  # fmt: skip
def test_odd_weights(prompt: str, expected: list[tuple[str, float]]):
    assert [(one.text, one.weight) for one in weighted(prompt)] == [
        (text, pytest.approx(weight)) for text, weight in expected
    ]


def test_parentheses_may_be_as_deep_as_they_like():
    assert [one.text for one in weighted("(" * 5000 + "a" + ")" * 5000)] == ["a"]
    assert len(weighted("(a:" * 1500 + "1.2)" * 1500)) == 2999
    assert [one.text for one in weighted("(" * 20000)] == ["(" * 20000]


@pytest.mark.parametrize(("vocabulary", "pad"), [("clip_l", None), ("clip_g", 0)])
@pytest.mark.parametrize("prompt", list(golden("tokens")["clip_l"]))
def test_tokens(prompt: str, vocabulary: str, pad: int | None):
    made = [
        [[token.id, round(token.weight, 9)] for token in chunk]
        for chunk in clip_tokenizer(pad).chunks(prompt)
    ]
    assert made == golden("tokens")[vocabulary][prompt]


@cache
def tiny(mode: str) -> TextEncoder:
    weights = load_file(GOLDEN / "tiny_clip_l.safetensors")
    config = CLIPTextConfig(**golden("clip_text")["config"], attn_implementation="eager")
    model = CLIPTextModel(config).eval()
    nested = any(name.startswith("text_model.") for name in model.state_dict())
    projection = nn.Linear(16, 16, bias=False)
    projection.load_state_dict({"weight": weights.pop("text_projection.weight")})
    renamed = {name if nested else name.removeprefix("text_model."): value for name, value in weights.items()}
    model.load_state_dict(renamed, strict=False)
    return TextEncoder(model, clip_tokenizer(), MODES[mode][0], projection)


@pytest.mark.parametrize("case", list(golden("clip_text")["cases"]))
def test_an_encoding(case: str):
    prompt, mode = case.rsplit("|", 1)
    prompt = next(
        whole for whole in golden("tokens")["clip_l"] if whole.startswith(prompt) and (prompt or not whole)
    )
    expected = golden("clip_text")["cases"][case]
    made = tiny(mode).encode(prompt, MODES[mode][1])
    assert list(made.context.shape) == expected["shape"]
    for name, index in (("c00", 0), ("c04", 4), ("clast", -1)):
        assert made.context[0, index].tolist() == pytest.approx(expected[name], abs=1e-5)
    assert float(made.context.mean()) == pytest.approx(expected["mean"], abs=1e-5)
    assert made.pooled[0].tolist() == pytest.approx(expected["pooled"], abs=1e-5)


def test_a_model_folder_brings_its_own_vocabulary():
    tokenizer = folder_tokenizer(STARTER / "tokenizer")
    chunk = tokenizer.chunks("a red apple")[0]
    assert chunk[0].id == tokenizer.start and chunk[4].id == tokenizer.end and chunk[-1].id == tokenizer.pad
    assert len(tokenizer.bpe.get_vocab()) == tokenizer.end + 1


@pytest.mark.parametrize(
    "prompt", ["", " \n\t", "word " * 10000, "\u202e\u05e9\u05dc\u05d5\u05dd", "\x00\x07\x1b", "\ud800"]
)
def test_odd_texts_become_whole_chunks(prompt: str):
    chunks = clip_tokenizer().chunks(prompt)
    assert len(chunks) == max(1, -(-prompt.count("word") // 75))
    assert all(len(chunk) == 77 and chunk[0].id == 49406 for chunk in chunks)


def test_a_short_segment_moves_whole_and_a_long_one_is_cut_at_75():
    vectors = torch.zeros(20, 16)
    filled = "cat " * 70
    short, cut = (clip_tokenizer().chunks(filled + f"({'dog ' * count}:1.1)") for count in (7, 8))
    assert [[token.weight for token in chunk].count(1.1) for chunk in short] == [0, 7]
    assert [[token.weight for token in chunk].count(1.1) for chunk in cut] == [5, 3]
    held = clip_tokenizer().read(filled + "embedding:long", {"long": vectors}.get).chunks
    assert [sum(token.vector is not None for token in chunk) for chunk in held] == [5, 15]
    few = clip_tokenizer().read(filled + "embedding:few", {"few": vectors[:7]}.get).chunks
    assert [sum(token.vector is not None for token in chunk) for chunk in few] == [0, 7]


@given(st.text(max_size=400))
def test_any_text_becomes_whole_chunks(prompt: str):
    tokenizer = clip_tokenizer()
    for chunk in tokenizer.chunks(prompt):
        assert len(chunk) == 77 and chunk[0].id == tokenizer.start
        assert tokenizer.end in [token.id for token in chunk]
