"""A worker's nodes as the files of its packs are now: one that was edited is imported anew first."""

import asyncio
from contextlib import suppress

from server.backends.child import Child
from server.graph.host import BackendLost
from server.worker.messages import Described, Specs

LONGEST_LOOK = 20.0  # seconds that anybody waits for an edited pack to be imported


async def freshened(child: Child | None, edition: str) -> Described | None:
    """What the worker says, whose `edition` is known; None if it cannot say it soon: then nodes are as they were."""
    if child is None or not child.ready.done() or child.gone.done():
        return None
    with suppress(TimeoutError, BackendLost, RuntimeError):
        return await asyncio.wait_for(
            child.ask(Specs(refresh=False, known=edition, fresh=True)), LONGEST_LOOK
        )
    return None
