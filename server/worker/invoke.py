"""Run one node for one task: lazy inputs, mapped calls, blockers, expansion; exceptions pass through."""

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nodes.spec import Blocker, Json, Node, NodeError, is_plain
from server.graph.errors import PromptError
from server.graph.host import SwitchedOff
from server.graph.model import GraphNode, Link, NodeId
from server.graph.outcome import Blocked, Done, Expanded, Missing, Needs, Outcome, Promised, Task, Token
from server.graph.parse import parse_input, parse_prompt
from server.worker.arguments import Keywords, Lists, blocker_among, calls, fitting, held
from server.worker.outputs import Outputs, Ui
from server.worker.running import Made, NodeContext
from server.worker.shape import AUTHOR, Returned, blocked, join, join_ui, read, spread
from server.worker.shown import lasts
from server.worker.usage import Meter


@dataclass(frozen=True, slots=True)
class Invocation:
    """One node, its task, its context, where values go, and what it takes is measured with."""

    node: Node
    task: Task
    context: NodeContext
    outputs: Outputs
    meter: Meter

    async def run(self, lists: Lists) -> Outcome:
        """Ask what is needed, call the node, keep what it gave.

        Args:
            lists: the values of its inputs, see `arguments.gather`.

        Raises:
            Stopped: between calls, or inside the node.
            Exception: whatever the node raises.
        """
        started, before = time.perf_counter(), self.meter.read()
        asked = await self._ask(lists)
        if isinstance(asked, Needs):
            return asked
        every = list(calls(self.node.spec, asked))
        blockers = [blocker_among(self.node.spec, keywords) for keywords in every]
        reasons = list(
            dict.fromkeys(found.message for found in blockers if found and found.message is not None)
        )
        blocked = bool(every) and all(blockers)
        for reason in reasons[1:] if blocked else reasons:
            self.context.report(SwitchedOff(self.task.node, reason))
        if blocked:
            slots = join(self.node.spec, [self._off()] * len(every))
            return Blocked(self._keep(slots), reasons[0] if reasons else None)
        returned = await self._call_all(every, blockers)
        if any(one.expand is not None for one in returned):
            return self._expand(returned)
        ui = join_ui(returned)
        slots, seconds = join(self.node.spec, returned), time.perf_counter() - started
        tokens = self.outputs.put(slots, self.task.key, ui, seconds)
        usage = self.meter.since(before, seconds)
        await self._store(ui)
        return Done(tokens, ui, seconds, usage)

    # --- calls ------------------------------------------------------------------------------------------------------

    async def _ask(self, lists: Lists) -> Lists | Needs:
        """The values to call the node with: of lazy links, those it asks for alone.

        What a lazy link brings may be there already, since others needed it too. Were it handed over unasked, what
        the node gives (and how often it is called) would depend on who ran first.
        """
        arguments = self.task.arguments
        lazy = {
            entry.name
            for entry in self.node.spec.inputs
            if entry.lazy and isinstance(arguments.get(entry.name), Token | Promised)
        }
        while True:
            shown = {name: [None] if name in lazy else values for name, values in lists.items()}
            if self.node.needs is None:
                return shown
            wanted = await self._named(self.node.needs, list(calls(self.node.spec, shown)))
            missing = [
                name for name in wanted if name not in lists or isinstance(arguments.get(name), Missing)
            ]
            if missing:
                return Needs(tuple(missing))
            if lazy.isdisjoint(wanted):
                return shown
            lazy.difference_update(wanted)

    async def _named(self, needs: Callable[..., object], every: Sequence[Keywords]) -> Sequence[str]:
        """The inputs that the node names when asked what it needs, each once."""
        wanted: dict[str, None] = {}
        for index, keywords in enumerate(every):
            if blocker_among(self.node.spec, keywords):
                continue
            self.context.check_stop()
            named = needs(self.context.at(index), **self.node.spec.arguments(keywords))
            if inspect.isawaitable(named):
                named = await named
            wanted |= dict.fromkeys(cast("Sequence[str]", named or ()))
        return list(wanted)

    async def _call_all(
        self, every: Sequence[Keywords], blockers: Sequence[Blocker | None]
    ) -> Sequence[Returned]:
        asked = enumerate(zip(every, blockers, strict=True))
        if self.node.spec.is_async:
            return await _together([self._call(index, *one) for index, one in asked])
        return [await self._call(index, *one) for index, one in asked]

    async def _call(self, index: int, keywords: Keywords, blocker: Blocker | None) -> Returned:
        if blocker is not None:
            return self._off()
        self.context.check_stop()
        given = self.node.spec.arguments(fitting(self.node.spec, keywords))
        value: object = self.node.run(self.context.at(index), **given)
        if inspect.isawaitable(value):
            value = await value
        return read(self.node.spec, value)

    def _off(self) -> Returned:
        """What a blocked call gives: whoever comes after is blocked in silence."""
        return blocked(self.node.spec, Blocker())

    def _keep(self, slots: Sequence[list[object]]) -> tuple[Token, ...]:
        return self.outputs.put(slots)

    async def _store(self, ui: Ui | None) -> None:
        """Keep the result on disk if it is worth it, and wait for that if it costs little beside what the node took.

        That files were saved is always kept: whether they are saved again must not depend on how quick that was.
        """
        if self.task.key is not None and lasts(ui, is_output=self.node.spec.is_output):
            written = self.outputs.store(self.task.key, self.task.type, always=self.node.spec.is_output)
            if written is not None:
                await asyncio.wrap_future(written)

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


async def _together(calls: Sequence[Coroutine[object, object, Returned]]) -> Sequence[Returned]:
    """Wait for all; once one fails, the others are ended."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
