"""From an exception to words for the person at the canvas. Whatever a pack raises, there are words."""

import re
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from collections.abc import Set as AnySet
from pathlib import Path
from types import TracebackType
from typing import cast

from nodes.spec import Json, NodeError, package_of, plain
from server.graph.outcome import Failure

LONGEST_TEXT = 1000  # characters of one input value in a report
LONGEST_MESSAGE = 20_000  # characters
MOST_LINES = 200  # of a traceback, from its end
MOST_ENTRIES = 100  # of a container that is shown in a report
OWN_FRAMES = str(Path(__file__).parent)
AUTHOR = "This is a fault of the node: tell its author."
OUT_OF_MEMORY = (
    "Try a smaller picture, fewer at a time, or a smaller model; close other programs that use the card."
)
NO_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "too little memory",  # our own, of a model
)
ASKED_FOR = re.compile(r"allocate ([\d.]+) ?(bytes|[KMGTP]i?B)", re.IGNORECASE)
# Exceptions that say little by themselves; the first that fits counts.
ADVICE: Sequence[tuple[type[BaseException], str, str]] = (
    (SystemExit, "The node's code tried to end the program.", AUTHOR),
    (
        KeyboardInterrupt,
        "The node's code raised KeyboardInterrupt, as if somebody had pressed Ctrl-C.",
        AUTHOR,
    ),
    (GeneratorExit, "The node's code raised GeneratorExit, which is for generators alone.", AUTHOR),
    (RecursionError, "The node's code calls itself without end: {text}.", AUTHOR),
    (EOFError, "The node's code waits for typed input, which nobody can give here: {text}.", AUTHOR),
    (
        BrokenPipeError,
        "A program that the node talks to ended before its time: {text}.",
        "See the log for its last words.",
    ),
)


def failure(error: BaseException, inputs: Mapping[str, Sequence[object]] | None = None) -> Failure:
    """The report of a node that raised `error` with these inputs."""
    message, hint = _words(error)
    return Failure(
        message,
        str.__str__(hint),
        f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
        _lines(error),
        {name: [short(value) for value in values] for name, values in (inputs or {}).items()},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in the machine or on the card (torch's own error is known by its name)."""
    if type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError):
        return True
    text = _text(error).lower()
    return any(words in text for words in NO_MEMORY_WORDS)


def short(value: object) -> Json:
    """A value in a line: scalars as they are, tensors and arrays by shape and kind, large containers by length."""
    if value is None or isinstance(value, bool | int | float):
        return plain(value)
    try:
        text = _described(value)
    except BaseException:  # noqa: BLE001 - a report must not fail over what a pack's object does
        return f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."


def _described(value: object) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, Sequence):
        sides = "x".join(str(side) for side in cast("Sequence[object]", shape))
        return f"{type(value).__name__} {sides} {getattr(value, 'dtype', '')}".strip()
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Sequence | Mapping | AnySet):
        count = len(cast("Sequence[object]", value))
        if count > MOST_ENTRIES:
            return f"{type(value).__name__} of {count}"
    return str(plain(str(value)))


def _words(error: BaseException) -> tuple[str, str]:
    """What is wrong, and what to do."""
    text = _text(error)
    if isinstance(error, NodeError) or _is_split(error):
        hint: object = getattr(error, "hint", "")
        text = text if isinstance(error, NodeError) else cast("NodeError", error).message.strip()
        return text or type(error).__name__, hint if isinstance(hint, str) else ""
    if is_out_of_memory(error):
        asked = ASKED_FOR.search(text)
        many = f" {asked[1]} {asked[2]} were asked for." if asked else ""
        return f"Out of memory.{many} {text.splitlines()[0] if text else ''}".strip(), OUT_OF_MEMORY
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = package_of(error.name.split(".")[0])
        return text, f"Install what it needs (`pip install {package}`), then start Weft again."
    for kind, message, hint in ADVICE:
        if isinstance(error, kind):
            return message.format(text=(text or type(error).__name__).rstrip(".")), hint
    return text or type(error).__name__, ""


def _is_split(error: BaseException) -> bool:
    """Whether it says apart what is wrong and what to do, as those of our library do."""
    try:
        said = (getattr(error, "message", None), getattr(error, "hint", None))
    except BaseException:  # noqa: BLE001 - as for its words
        return False
    return all(type(part) is str for part in said) and bool(said[0])


def _text(error: BaseException) -> str:
    """What it says of itself; empty where that fails, too."""
    try:
        return str(plain(str(error))).strip()[:LONGEST_MESSAGE]
    except BaseException:  # noqa: BLE001 - an exception's own words are a pack's code
        return ""


def _own_code(raised: TracebackType | None) -> TracebackType | None:
    """The end of the traceback, without our own way to the node unless nothing else is in it."""
    found = raised
    while found is not None and found.tb_frame.f_code.co_filename.startswith(OWN_FRAMES):
        found = found.tb_next
    last: deque[TracebackType] = deque(
        maxlen=MOST_LINES
    )  # there may be millions, and each costs to be described
    found = found or raised
    while found is not None:
        last.append(found)
        found = found.tb_next
    return last[0] if last else None


def _lines(error: BaseException) -> tuple[str, ...]:
    """The traceback from the node's own code on."""
    try:
        frames = traceback.extract_tb(_own_code(error.__traceback__))
        lines = (*traceback.format_list(frames), *traceback.format_exception_only(error))
    except BaseException:  # noqa: BLE001 - as above
        return (type(error).__name__,)
    return tuple(line.rstrip("\n")[:LONGEST_MESSAGE] for line in lines[-MOST_LINES:])
