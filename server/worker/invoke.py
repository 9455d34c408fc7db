"""Run one node for one task: lazy inputs, mapped calls, blockers, expansion; exceptions pass through."""

import asyncio
import inspect
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nodes.spec import Blocker, Json, Node, NodeError, is_plain
from server.graph.errors import PromptError
from server.graph.host import Said
from server.graph.model import GraphNode, Link, NodeId
from server.graph.outcome import Blocked, Done, Expanded, Missing, Needs, Outcome, Task, Token
from server.graph.parse import parse_input, parse_prompt
from server.worker.arguments import Keywords, Lists, blocker_among, calls, held
from server.worker.outputs import Outputs
from server.worker.running import Made, NodeContext
from server.worker.shape import Returned, blocked, join, join_ui, read, spread

AUTHOR = "This is a fault of the node's code: tell its author."


@dataclass(frozen=True, slots=True)
class Invocation:
    """One node, its task, its context, and where values go."""

    node: Node
    task: Task
    context: NodeContext
    outputs: Outputs

    async def run(self, lists: Lists) -> Outcome:
        """Ask what is needed, call the node, keep what it gave.

        Args:
            lists: the values of its inputs, see `arguments.gather`.

        Raises:
            Stopped: between calls, or inside the node.
            Exception: whatever the node raises.
        """
        started = time.perf_counter()
        every = list(calls(self.node.spec, lists))
        wanted = await self._needs(every)
        if wanted:
            return Needs(wanted)
        blockers = [blocker_among(self.node.spec, keywords) for keywords in every]
        if every and all(blockers):
            message = next((found.message for found in blockers if found and found.message is not None), None)
            return Blocked(self._keep(join(self.node.spec, [self._off()] * len(every))), message)
        returned = await self._call_all(every, blockers)
        if any(one.expand is not None for one in returned):
            return self._expand(returned)
        ui = join_ui(returned)
        slots, seconds = join(self.node.spec, returned), time.perf_counter() - started
        return Done(self.outputs.put(slots, self.task.key, ui, seconds), ui, seconds)

    # --- calls ------------------------------------------------------------------------------------------------------

    async def _needs(self, every: Sequence[Keywords]) -> tuple[str, ...]:
        """Which inputs the node asks for that are not there."""
        if self.node.needs is None:
            return ()
        wanted: dict[str, None] = {}
        for index, keywords in enumerate(every):
            if blocker_among(self.node.spec, keywords):
                continue
            self.context.check_stop()
            named: object = self.node.needs(self.context.at(index), **keywords)
            if inspect.isawaitable(named):
                named = await named
            wanted |= dict.fromkeys(cast("Sequence[str]", named or ()))
        arguments = self.task.arguments
        return tuple(name for name in wanted if isinstance(arguments.get(name, Missing()), Missing))

    async def _call_all(
        self, every: Sequence[Keywords], blockers: Sequence[Blocker | None]
    ) -> Sequence[Returned]:
        if self.node.spec.is_async:
            pending = [
                self._call(index, keywords, blocker)
                for index, (keywords, blocker) in enumerate(zip(every, blockers, strict=True))
            ]
            return await asyncio.gather(*pending)
        return [
            await self._call(index, keywords, blocker)
            for index, (keywords, blocker) in enumerate(zip(every, blockers, strict=True))
        ]

    async def _call(self, index: int, keywords: Keywords, blocker: Blocker | None) -> Returned:
        if blocker is not None:
            if blocker.message is not None:
                self.context.report(Said(self.task.node, f"Switched off: {blocker.message}"))
            return self._off()
        self.context.check_stop()
        value: object = self.node.run(self.context.at(index), **keywords)
        if inspect.isawaitable(value):
            value = await value
        return read(self.node.spec, value)

    def _off(self) -> Returned:
        """What a blocked call gives: whoever comes after is blocked in silence."""
        return blocked(self.node.spec, Blocker())

    def _keep(self, slots: Sequence[list[object]]) -> tuple[Token, ...]:
        return self.outputs.put(slots)

    # --- expansion --------------------------------------------------------------------------------------------------

    def _expand(self, returned: Sequence[Returned]) -> Expanded:
        """The graphs of all calls as one; slots name its outputs, or hold values of calls that made no graph."""
        graph: dict[NodeId, GraphNode] = {}
        displays: dict[NodeId, NodeId] = {}
        for one in returned:
            for id, raw in (one.expand or {}).items():
                if id in graph:
                    raise NodeError(f"{self.task.type} made two nodes with the id {id!r}.", AUTHOR)
                graph[str(id)] = self._made(str(id), raw, displays)
        spec = self.node.spec
        parts = tuple(
            tuple(self._part(slot, one.slots[slot], one.expand is not None) for one in returned)
            for slot in range(len(spec.outputs))
        )
        return Expanded(graph, parts, displays, join_ui(returned))

    def _made(self, id: NodeId, raw: Json, displays: dict[NodeId, NodeId]) -> GraphNode:
        if not isinstance(raw, Mapping):
            raise NodeError(f"{self.task.type} made a node {id!r} that is not an object.", AUTHOR)
        safe = {**raw, "inputs": self._safe(raw.get("inputs"))}
        try:
            node = parse_prompt({id: safe})[id]
        except PromptError as error:
            raise NodeError(f"{self.task.type} made a graph that is none: {error}", AUTHOR) from error
        display = raw.get("override_display_id")
        if isinstance(display, str):
            displays[id] = display
        shown = display if isinstance(display, str) else self.task.display
        self.context.job.prompt.add(id, Made(raw, self.task.node, shown, self.task.real))
        return node

    def _safe(self, inputs: object) -> dict[str, Json]:
        """Inputs of a made node: what is no JSON (a tensor, say) stays here under a name."""
        if not isinstance(inputs, Mapping):
            return {}
        entries = cast("Mapping[str, Json]", inputs)
        return {name: value if is_plain(value) else self._held(value) for name, value in entries.items()}

    def _held(self, value: object) -> Json:
        (token,) = self.outputs.put([[value]])
        return {"__value__": held(token)}

    def _part(self, slot: int, value: object, expanded: bool) -> Link | Token:
        if expanded and isinstance(value, list):
            found = parse_input(cast("Json", value))
            if isinstance(found, Link):
                return found
        (token,) = self.outputs.put([spread(self.node.spec, slot, cast("object", value))])
        return token
