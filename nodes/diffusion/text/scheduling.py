r"""Prompts that change over a run, and prompts of several parts, as many people write them.

`[cat:dog:0.5]` is a cat for half of the run, then a dog; `[dog:0.5]` comes in then, `[cat::0.5]` goes. From 1 on the number
counts steps. `[cat|dog]` takes turns, step by step. `BREAK` begins a new chunk of tokens; `AND` puts prompts side by side,
each with a weight after a colon at its end. Brackets of any other kind are text, and so is `\[`.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.values import Span

AND = re.compile(r"\s*\bAND\b\s*")
BREAK = re.compile(r"\s*\bBREAK\b\s*")
WEIGHT = re.compile(r"(?s)(.*?)\s*:\s*([-+]?\d+(?:\.\d+)?)\s*")
NUMBER = re.compile(r"\s*\d+(?:\.\d*)?\s*|\s*\.\d+\s*")
ESCAPED = {"\\[": "\x03", "\\]": "\x04"}
DEEPEST = 50  # brackets within brackets
LITERAL = {"\x03": "[", "\x04": "]"}


@dataclass(frozen=True, slots=True)
class Part:
    """A prompt for a share of the run.

    Attributes:
        chunks: its text, cut where a new chunk of tokens begins.
        weight: against the prompts beside it.
    """

    chunks: tuple[str, ...]
    span: Span
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class _Change:
    """One text until a share of the run, then another."""

    before: "_Text"
    after: "_Text"
    when: float


@dataclass(frozen=True, slots=True)
class _Turns:
    """Texts that take turns, each for a step."""

    texts: "tuple[_Text, ...]"


_Text = tuple[str | _Change | _Turns, ...]


def scheduled(prompt: str, steps: int) -> list[Part]:
    """A prompt as its parts: for each prompt of those side by side, what it says from one share of the run to another.

    Args:
        steps: of the run, for what is said in steps.

    Raises:
        DiffusionError: brackets are nested too deep.
    """
    hidden = prompt.translate(dict.fromkeys(map(ord, LITERAL)))
    for escaped, mark in ESCAPED.items():
        hidden = hidden.replace(escaped, mark)
    sides = AND.split(hidden)
    parts: list[Part] = []
    for side in sides:
        match = WEIGHT.fullmatch(side) if len(sides) > 1 else None
        text, weight = (match.group(1), float(match.group(2))) if match else (side, 1.0)
        parts += [Part(_chunks(said), span, weight) for said, span in _said(_read(text, steps), steps)]
    return parts


def _said(text: _Text, steps: int) -> list[tuple[str, Span]]:
    """What a text says, and for which share of the run; neighbours that say the same are one."""
    ends = sorted({0.0, 1.0, *(when for when in _times(text, steps) if 0.0 < when < 1.0)})
    made: list[tuple[str, Span]] = []
    for start, end in itertools.pairwise(ends):
        words = _at(text, (start + end) / 2.0, steps)
        if made and made[-1][0] == words:
            made[-1] = (words, Span(made[-1][1].start, end))
        else:
            made.append((words, Span(start, end)))
    return made


def _times(text: _Text, steps: int) -> list[float]:
    """Where anything in a text changes."""
    times: list[float] = []
    for part in text:
        if isinstance(part, _Change):
            times += [part.when, *_times(part.before, steps), *_times(part.after, steps)]
        elif isinstance(part, _Turns):
            times += [index / steps for index in range(1, steps)]
            times += [time for one in part.texts for time in _times(one, steps)]
    return times


def _at(text: _Text, share: float, steps: int) -> str:
    said = ""
    for part in text:
        if isinstance(part, str):
            said += part
        elif isinstance(part, _Change):
            said += _at(part.before if share < part.when else part.after, share, steps)
        else:
            said += _at(part.texts[int(share * steps) % len(part.texts)], share, steps)
    return said


def _read(text: str, steps: int) -> _Text:
    made: list[str | _Change | _Turns] = []
    plain, place, partners = "", 0, _partners(text)
    while place < len(text):
        end = partners.get(place)
        inside = None if end is None else _bracket(text[place + 1 : end], steps)
        if end is None or inside is None:
            plain += text[place]
            place += 1
            continue
        made += [plain, inside] if plain else [inside]
        plain, place = "", end + 1
    return (*made, plain) if plain else tuple(made)


def _bracket(inside: str, steps: int) -> _Change | _Turns | None:
    """What stands in a pair of brackets; None where it is plain text."""
    turns = _split(inside, "|")
    if len(turns) > 1:
        return _Turns(tuple(_read(text, steps) for text in turns))
    pieces = _split(inside, ":")
    if len(pieces) not in (2, 3) or not NUMBER.fullmatch(pieces[-1]):
        return None
    before = pieces[0] if len(pieces) == 3 else ""
    number = float(pieces[-1])
    when = number / steps if number > 1.0 or "." not in pieces[-1] else number
    return _Change(_read(before, steps), _read(pieces[-2], steps), when)


def _split(text: str, mark: str) -> Sequence[str]:
    """A text cut at a mark, but not within brackets or parentheses."""
    pieces, depth = [""], 0
    for char in text:
        depth += (char in "[(") - (char in "])")
        if char == mark and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += char
    return pieces


def _partners(text: str) -> Mapping[int, int]:
    """Where each pair of brackets opens and closes.

    Raises:
        DiffusionError: they are nested too deep.
    """
    found: dict[int, int] = {}
    waiting: list[int] = []
    depths: dict[int, int] = {}
    for place, char in enumerate(text):
        if char == "[":
            waiting.append(place)
        elif char == "]" and waiting:
            opened = waiting.pop()
            found[opened] = place
            depths[len(waiting)] = max(depths.pop(len(waiting) + 1, 0) + 1, depths.get(len(waiting), 0))
            if depths[len(waiting)] > DEEPEST:
                raise DiffusionError(
                    f"The prompt has brackets within brackets more than {DEEPEST} deep.",
                    "Write fewer, or put \\\\[ for a bracket that is text.",
                )
    return found


def _chunks(text: str) -> tuple[str, ...]:
    for mark, char in LITERAL.items():
        text = text.replace(mark, char)
    return tuple(BREAK.split(text))
