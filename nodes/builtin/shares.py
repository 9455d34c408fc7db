"""Shares of a run and layers of a network as nodes are told them: what cannot be meant is said."""

import re

from nodes.diffusion.changes import Layers
from nodes.spec import Context, NodeError


def checked(start: float, end: float, names: tuple[str, str] = ("start_percent", "end_percent")) -> None:
    """A share of the run that has some of it.

    Raises:
        NodeError: it ends before it starts, so that the node would do nothing.
    """
    if start > end:
        raise NodeError(
            f"{names[0]} is {start:g} and comes after {names[1]}, which is {end:g}: the node would do nothing.",
            f"0 is the start of a run and 1 its end. Set {names[0]} below {names[1]}, or leave the node out.",
        )


def told_if_empty(
    ctx: Context, start: float, end: float, names: tuple[str, str] = ("start_percent", "end_percent")
) -> None:
    """Say that a share of the run holds nothing of it; for nodes that run in the field's workflows all the same."""
    if start > end:
        ctx.say(
            f"{names[0]} ({start:g}) comes after {names[1]} ({end:g}): this does nothing in the whole run."
        )


def numbers(text: str) -> tuple[int, ...]:
    """The layer numbers in a text, whatever stands between them."""
    return tuple(int(found) for found in re.findall(r"\d+", text))


def layers_in(ctx: Context, **texts: str) -> Layers:
    """The layers that texts name, two-stream ones first; words that name none are told."""
    for name, text in texts.items():
        if text.strip() and not numbers(text):
            ctx.say(f"{name}: there is no number in {text!r}, so that it names no layer.")
    return Layers(*(numbers(text) for text in texts.values()))
