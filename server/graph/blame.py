"""Which node takes the blame for a worker that died, and which others may have been the cause."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.graph.host import BackendLost
from server.graph.model import NodeId


@dataclass(frozen=True, slots=True)
class Blame:
    """The node that is most likely to have done it; None where no node ran. And others that may have."""

    node: NodeId | None
    others: tuple[NodeId, ...] = ()

    def hint(self, lost: BackendLost, types: Sequence[str]) -> str:
        """What to do, with the others named. `types`: their classes."""
        hint = lost.hint or "Run it again: what was finished before is kept where it could be."
        if not self.others:
            return hint
        named = ", ".join(f"{id} ({type})" for id, type in zip(self.others, types, strict=True))
        return f"{hint} Beside it ran {named}: which of them was the cause is not known."


def blame(lost: BackendLost, computing: NodeId | None, waiting: Sequence[NodeId]) -> Blame:
    """Who ran when the worker died.

    Args:
        computing: the node that computed. waiting: nodes that wait rather than compute; they run beside it.
    """
    if lost.waiting is True and waiting:
        return Blame(waiting[0], tuple(waiting[1:]))
    if lost.waiting is False and computing is not None:
        return Blame(computing)
    ran = (*(() if computing is None else (computing,)), *waiting)
    return Blame(ran[0], ran[1:]) if ran else Blame(lost.node)
