"""Plays prompts on a real worker (in a thread of this process), and keeps what was said and run."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodes.spec import Json
from server.backends.thread import ThreadBackend
from server.events import Event, NodeBlocked, NodeDone, NodeFailed, NodesCached, NodeStarted
from server.graph.parse import parse_prompt
from server.graph.run import Ending, Order, Status, run
from server.graph.written import Written
from server.worker.parts import Factory
from tests.server.spec.kinds import FACTORY, World

Prompt = Mapping[str, Mapping[str, Any]]


def node(type: str, **inputs: Json) -> dict[str, Any]:
    """A node of a prompt in one line."""
    return {"class_type": type, "inputs": inputs}


@dataclass(frozen=True)
class Played:
    """What came of one run: its end, its events, and the log of calls (see `kinds.World`)."""

    ending: Ending
    events: Sequence[Event]
    log: Sequence[tuple[str, str]]

    @property
    def good(self) -> bool:
        return self.ending.status is Status.SUCCEEDED

    @property
    def shown(self) -> dict[str, dict[str, list[Any]]]:
        """By node, what the canvas shows."""
        return {
            id: {name: list(values) for name, values in ui.items()} for id, ui in self.ending.outputs.items()
        }

    def text(self, id: str = "out") -> list[Any]:
        """What a Show shows."""
        return self.shown[id]["text"]

    @property
    def calls(self) -> Counter[str]:
        """How often each node's function was called."""
        return Counter(id for what, id in self.log if what == "start")

    @property
    def order(self) -> list[str]:
        """Nodes in the order of their first call."""
        return list(dict.fromkeys(id for what, id in self.log if what == "start"))

    @property
    def started(self) -> list[str]:
        return [event.place.node for event in self.events if isinstance(event, NodeStarted)]

    @property
    def done(self) -> list[str]:
        """Nodes that finished after they had started."""
        return [event.place.node for event in self.events if isinstance(event, NodeDone) and not event.cached]

    @property
    def failed(self) -> dict[str, str]:
        """The message of each node that failed."""
        failed = [event for event in self.events if isinstance(event, NodeFailed)]
        return {event.place.node: event.failure.message for event in failed}

    @property
    def told(self) -> Counter[tuple[str, str]]:
        """(node, message) of blocks that say why."""
        blocked = [event for event in self.events if isinstance(event, NodeBlocked)]
        return Counter((event.place.node, event.message) for event in blocked)

    @property
    def remembered(self) -> set[str]:
        """Nodes whose result was known."""
        return {id for event in self.events if isinstance(event, NodesCached) for id in event.nodes}


class Stage:
    """One worker, started once; `forget` between plays that are not to know of each other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.backend = ThreadBackend(Factory(FACTORY, world))

    async def play(
        self,
        prompt: Prompt,
        targets: Sequence[str] | None = None,
        extra: Mapping[str, Json] | None = None,
        *,
        stop_at_failure: bool = False,
    ) -> Played:
        """Run the output nodes of a prompt, or those of `targets`."""
        specs = await self.backend.specs()
        graph = parse_prompt(prompt)
        outputs = tuple(entry.id for entry in graph if specs[entry.type].is_output)
        chosen = outputs if targets is None else tuple(id for id in outputs if id in targets)
        self.world.stop = self.backend.stop
        before, events = len(self.world.log), list[Event]()
        order = Order(
            "job", graph, chosen, Written(prompt), Written(extra or {}), stop_at_failure=stop_at_failure
        )
        ending = await asyncio.wait_for(run(order, specs, self.backend, events.append), 60)
        return Played(ending, events, self.world.log[before:])

    async def forget(self) -> None:
        """Remembered results go, and so does the world's state."""
        await self.backend.free(models=False, results=True)
        self.world.forget()
