"""From an exception to words for the person at the canvas."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodes.spec import Json, NodeError, plain
from server.graph.outcome import Failure

LONGEST_TEXT = 1000  # characters of one input value in a report
OWN_FRAMES = str(Path(__file__).parent)
OUT_OF_MEMORY = (
    "Try a smaller picture, fewer at a time, or a smaller model; close other programs that use the card."
)


def failure(error: BaseException, inputs: Mapping[str, Sequence[object]] | None = None) -> Failure:
    """The report of a node that raised `error` with these inputs."""
    message, hint = _words(error)
    return Failure(
        str(plain(message)),
        str(plain(hint)),
        f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
        _lines(error),
        {name: [short(value) for value in values] for name, values in (inputs or {}).items()},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, in the machine or on the card (torch's own error is known by its name)."""
    named = type(error).__name__ == "OutOfMemoryError"
    return named or isinstance(error, MemoryError) or "out of memory" in str(error).lower()


def short(value: object) -> Json:
    """A value in a line: scalars as they are, tensors and arrays by shape and kind, text cut."""
    if value is None or isinstance(value, bool | int | float):
        return plain(value)
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} {'x'.join(str(side) for side in shape)} {getattr(value, 'dtype', '')}".strip()
    text = value if isinstance(value, str) else _shown(value)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, NodeError):
        return error.message, error.hint
    name = type(error).__name__
    text = str(error).strip()
    if is_out_of_memory(error):
        return f"Out of memory. {text.splitlines()[0] if text else ''}".strip(), OUT_OF_MEMORY
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.split(".")[0]
        return text, f"Install what it needs (`pip install {package}`), then start Weft again."
    if isinstance(error, SystemExit):
        return "The node's code tried to end the program.", "This is a fault of the node: tell its author."
    return text or name, ""


def _lines(error: BaseException) -> tuple[str, ...]:
    """The traceback from the node's own code on."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((at for at, frame in enumerate(frames) if not frame.filename.startswith(OWN_FRAMES)), 0)
    lines = traceback.format_list(frames[first:])
    return tuple(
        line.rstrip("\n") for entry in (*lines, *traceback.format_exception_only(error)) for line in [entry]
    )


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a report must not fail over what a pack's object does
        return f"<{type(value).__name__}>"
