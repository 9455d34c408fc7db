"""Prompts that change over a run."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.text import Part, scheduled
from nodes.diffusion.values import Span


def said(prompt: str, steps: int = 10) -> list[tuple[str, float, float]]:
    return [("|".join(part.chunks), part.span.start, part.span.end) for part in scheduled(prompt, steps)]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat", [("a cat", 0, 1)]),
        ("a [cat:dog:0.5]", [("a cat", 0, 0.5), ("a dog", 0.5, 1)]),
        ("a [cat:dog:3]", [("a cat", 0, 0.3), ("a dog", 0.3, 1)]),
        ("a [cat:1]", [("a ", 0, 0.1), ("a cat", 0.1, 1)]),
        ("a [cat::.25] here", [("a cat here", 0, 0.25), ("a  here", 0.25, 1)]),
        ("[a (b:1.2):c:0.5]", [("a (b:1.2)", 0, 0.5), ("c", 0.5, 1)]),
        ("[[a:b:0.2]:c:0.6]", [("a", 0, 0.2), ("b", 0.2, 0.6), ("c", 0.6, 1)]),
        ("[a:b:0.5] [c:d:0.5]", [("a c", 0, 0.5), ("b d", 0.5, 1)]),
        ("[cat:dog:0]", [("dog", 0, 1)]),
        ("[cat:dog:1.0]", [("cat", 0, 1)]),
        ("[cat]", [("[cat]", 0, 1)]),
        ("[cat:dog]", [("[cat:dog]", 0, 1)]),
        ("[unbalanced:0.5", [("[unbalanced:0.5", 0, 1)]),
        (r"\[cat:dog:0.5\]", [("[cat:dog:0.5]", 0, 1)]),
        ("a BREAK b", [("a|b", 0, 1)]),
        ("a:1.2", [("a:1.2", 0, 1)]),
    ],
)
def test_what_is_said_when(prompt: str, expected: list[tuple[str, float, float]]):
    assert said(prompt) == expected


def test_turns_are_taken_step_by_step():
    assert said("[a|b|c]", 4) == [("a", 0, 0.25), ("b", 0.25, 0.5), ("c", 0.5, 0.75), ("a", 0.75, 1)]


def test_prompts_side_by_side_have_weights():
    assert scheduled("a cat AND a dog :0.5 AND [x:y:0.5]:2", 10) == [
        Part(("a cat",), Span()),
        Part(("a dog",), Span(), 0.5),
        Part(("x",), Span(0.0, 0.5), 2.0),
        Part(("y",), Span(0.5, 1.0), 2.0),
    ]
    assert scheduled("(a:1.2) AND BRAND", 10)[1].chunks == ("BRAND",)


@pytest.mark.parametrize("deep", ["[" * 60 + "a" + ":b:0.5]" * 60, "[a|" * 60 + "b" + "]" * 60])
def test_brackets_that_nobody_could_read_are_refused(deep: str):
    with pytest.raises(DiffusionError, match="more than 50 deep"):
        scheduled(deep, 10)


def test_odd_texts_are_plain():
    for odd in ("[" * 20000, "]" * 20000, "[::::]", "[a:b:1e400]", "[a:b:nan]", "[a:b:-0.5]", "[:]", "[]"):
        assert [part.chunks for part in scheduled(odd, 20)] == [(odd,)]
    assert [part.chunks for part in scheduled("AND", 20)] == [("",), ("",)]
    assert said("[a:b:" + "9" * 400 + "]") == [("a", 0, 1)]
    assert said("[|]") == [("", 0, 1)] and said("\x03a\x04") == [("a", 0, 1)]


@given(st.text(alphabet="ab[]|:.05 ()\\", max_size=40), st.integers(1, 30))
def test_any_text_is_said_from_start_to_end(prompt: str, steps: int):
    parts = scheduled(prompt, steps)
    assert parts[0].span.start == 0.0 and parts[-1].span.end == 1.0
    for one, following in itertools.pairwise(parts):
        assert one.span.end == following.span.start and one.span.start < one.span.end
