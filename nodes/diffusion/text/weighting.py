r"""Weights in prompts: `(word)` counts 1.1 times as much, `(word:1.3)` exactly 1.3, `\(` is a parenthesis."""

import re
from dataclasses import dataclass

EMPHASIS = 1.1
OPEN, CLOSE = "\x01", "\x02"  # stand for escaped parentheses while weights are read
GROUP_WEIGHT = re.compile(r"(?s)(.+):([^:]*)")


@dataclass(frozen=True, slots=True)
class Segment:
    """Text that counts alike throughout."""

    text: str
    weight: float


def weighted(prompt: str) -> list[Segment]:
    """The prompt in segments, parentheses resolved; empty ones left out."""
    hidden = prompt.replace("\\(", OPEN).replace("\\)", CLOSE)
    return [
        Segment(segment.text.replace(OPEN, "(").replace(CLOSE, ")"), segment.weight)
        for segment in _read(hidden, 1.0)
    ]


def _read(text: str, weight: float) -> list[Segment]:
    segments: list[Segment] = []
    for part, is_group in _parts(text):
        if is_group:
            inner, inner_weight = _group(part, weight)
            segments += _read(inner, inner_weight)
        elif part:
            segments.append(Segment(part, weight))
    return segments


def _group(inner: str, weight: float) -> tuple[str, float]:
    """What stands in a pair of parentheses, and its weight: a number after the last colon, else 1.1 times."""
    match = GROUP_WEIGHT.fullmatch(inner)
    if match:
        try:
            return match.group(1), float(match.group(2))
        except ValueError:
            pass  # no number: the colon is text
    return inner, weight * EMPHASIS


def _parts(text: str) -> list[tuple[str, bool]]:
    """Plain text and the insides of outermost pairs, in turn. What has no partner is plain text."""
    parts: list[tuple[str, bool]] = []
    start, depth = 0, 0
    for at, char in enumerate(text):
        if char == "(":
            if depth == 0:
                parts.append((text[start:at], False))
                start = at
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            if depth == 0:
                parts.append((text[start + 1 : at], True))
                start = at + 1
    parts.append((text[start:], False))
    return parts
