r"""Weights in prompts: `(word)` counts 1.1 times as much, `(word:1.3)` exactly 1.3, `\(` is a parenthesis."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

EMPHASIS = 1.1
OPEN, CLOSE = "\x01", "\x02"  # stand for escaped parentheses while weights are read


@dataclass(frozen=True, slots=True)
class Segment:
    """Text that counts alike throughout."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class _Group:
    """A pair of parentheses: where its text ends, what closes it, and how much it counts (None: 1.1 times as much)."""

    end: int
    close: int
    weight: float | None


def weighted(prompt: str) -> list[Segment]:
    """The prompt in segments, parentheses resolved; empty ones left out.

    What has no partner is plain text; so is a number that is none (`nan`, `Infinity`). Takes any depth of parentheses.
    """
    bare = sound(prompt).replace(OPEN, "").replace(CLOSE, "")
    hidden = bare.replace("\\(", OPEN).replace("\\)", CLOSE)
    return [
        Segment(segment.text.replace(OPEN, "(").replace(CLOSE, ")"), segment.weight)
        for segment in _read(hidden)
    ]


def sound(text: str) -> str:
    """A text without halves of characters, which no vocabulary can read: those that belong together are joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _read(text: str) -> list[Segment]:
    partners, alone = _partners(text)
    segments: list[Segment] = []
    weights, groups = [1.0], [_Group(len(text), len(text), None)]
    place = start = 0
    while True:
        group = groups[-1]
        if (place in partners or place in (group.end, alone)) and start < place:
            segments.append(Segment(text[start:place], weights[-1]))
            start = place
        if place == group.end:
            groups.pop()
            weights.pop()
            if not groups:
                return segments
            place = start = group.close + 1
        elif place in partners:
            inner = _group(text, place, partners[place])
            groups.append(inner)
            weights.append(weights[-1] * EMPHASIS if inner.weight is None else inner.weight)
            place = start = place + 1
        else:
            place += 1


def _partners(text: str) -> tuple[Mapping[int, int], int | None]:
    """Where each pair opens and closes, and where the first parenthesis stands that nothing closes: no pair follows it."""
    found: dict[int, int] = {}
    waiting: list[int] = []
    for place, char in enumerate(text):
        if char == "(":
            waiting.append(place)
        elif char == ")" and waiting:
            found[waiting.pop()] = place
    if not waiting:
        return found, None
    alone = waiting[0]
    return {opened: closed for opened, closed in found.items() if opened < alone}, alone


def _group(text: str, opened: int, closed: int) -> _Group:
    """What stands in a pair of parentheses: a number after the last colon is its weight."""
    colon = text.rfind(":", opened + 2, closed)
    if colon >= 0:
        try:
            weight = float(text[colon + 1 : closed])
        except ValueError:
            weight = math.nan  # no number: the colon is text
        if math.isfinite(weight):
            return _Group(colon, closed, weight)
    return _Group(closed, closed, None)
