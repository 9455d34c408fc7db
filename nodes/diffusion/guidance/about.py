"""Which rules act on which networks, as a table for people."""

from collections.abc import Iterable, Set

from nodes.diffusion.changes import Kind
from nodes.diffusion.guidance.rules import INSIDE

ACTS, SAYS = "acts", "says no"


def table(families: Iterable[tuple[str, Set[Kind]]]) -> str:
    """A Markdown table, one line for each family: which rules act on it, and which say on the node that they do not.

    Args:
        families: names, with the kinds of changes that each takes.
    """
    rules = {works.name: works.kinds for works in INSIDE.values()}
    lines = [("family", *rules), ("---",) * (1 + len(rules))]
    lines += [
        (name, *(ACTS if kinds & takes else SAYS for kinds in rules.values())) for name, takes in families
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
