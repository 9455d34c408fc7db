"""Small graphs and a host that computes with plain values: what the graph's tests run on."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from nodes.spec import InputSpec, Json, NodeSpec, OutputSpec, Section
from server.graph.host import BackendLost, Call, JobContext, Progressed, Remembered, Report
from server.graph.model import Graph, GraphNode, Link, NodeId
from server.graph.outcome import (
    Blocked,
    Collect,
    Done,
    Expanded,
    Failed,
    Failure,
    Interrupted,
    Literal,
    Missing,
    Needs,
    NotReady,
    Outcome,
    Promised,
    Task,
    Token,
)


def spec(
    id: str,
    inputs: Sequence[InputSpec] = (),
    outputs: Sequence[str] = ("ANY",),
    *,
    is_output: bool = False,
    **more: object,
) -> NodeSpec:
    """A node description in one line."""
    declared = tuple(OutputSpec(kind, kind) for kind in outputs)
    return NodeSpec(id=id, inputs=tuple(inputs), outputs=declared, is_output=is_output, **more)  # type: ignore[arg-type]


def socket(name: str, kind: str = "*", *, optional: bool = True, **options: Json) -> InputSpec:
    return InputSpec(name, kind, Section.OPTIONAL if optional else Section.REQUIRED, None, options)


WIDE = tuple(socket(f"in{index}") for index in range(6))

SPECS: Mapping[str, NodeSpec] = {
    entry.id: entry
    for entry in (
        spec("Add", (*WIDE, InputSpec("value", "INT", options={"default": 0}))),
        spec("Show", WIDE, (), is_output=True),
        spec("Boom", WIDE),
        spec("Stopper", WIDE),
        spec("Killer", WIDE),
        spec("Waits", WIDE, is_async=True),
        spec("Switch", (socket("pick", "INT"), socket("a", lazy=True), socket("b", lazy=True))),
        spec("Gate", WIDE),
        spec("Unroll", (socket("times", "INT"), *WIDE)),
        spec("File", (socket("name", "STRING"),), has_change_token=True),
        spec("Tied", WIDE, idempotent=False),
    )
}


def graph(**nodes: tuple[str, Mapping[str, object]]) -> Graph:
    """`graph(a=("Add", {"value": 1}), s=("Show", {"in0": ("a", 0)}))`; a tuple is a link."""
    made: dict[NodeId, GraphNode] = {}
    for id, (kind, inputs) in nodes.items():
        read = {name: Link(*value) if isinstance(value, tuple) else value for name, value in inputs.items()}
        made[id] = GraphNode(id, kind, read)  # type: ignore[arg-type]
    return Graph(made)


@dataclass
class PlainHost:
    """Computes sums. Remembers results by key between runs; logs what it was asked to run."""

    ran: list[NodeId] = field(default_factory=list)
    kept: dict[str, Remembered] = field(default_factory=dict)
    values: dict[Token, object] = field(default_factory=dict)
    tokens: dict[str, str | None] = field(default_factory=dict)
    on_run: Callable[[Task], None] | None = None
    ahead: int = 1
    spares: bool = False
    given: dict[NodeId, tuple[Token, ...]] = field(default_factory=dict)

    async def change_tokens(self, calls: Sequence[Call]) -> Mapping[NodeId, str | None]:
        return {asked.node: self.tokens.get(str(asked.constants.get("name"))) for asked in calls}

    async def recall(self, keys: Collection[str]) -> Mapping[str, Remembered]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    async def begin(self, context: JobContext) -> bool:
        self.context = context
        self.given.clear()
        return self.spares

    def release(self, results: Sequence[str]) -> None:
        gone = [token for token in self.values if token.result in results]
        assert {token.result for token in gone} == set(results), "nothing is released twice"
        for token in gone:
            del self.values[token]
        self.kept = {key: one for key, one in self.kept.items() if not {*one.outputs} & {*gone}}

    async def end(self) -> None:
        self.ended = True

    async def submit(self, task: Task | Collect, report: Callable[[Report], None]) -> Outcome:
        if isinstance(task, Collect):
            (part,) = (slot[0] for slot in task.parts)  # its nodes have one output and are called once
            done = Done((part,), task.ui)
            return self._remembered(task.key, done)
        if any(node not in self.given for node in task.behind):
            return NotReady()
        self.ran.append(task.node)
        if self.on_run:
            self.on_run(task)
        outcome = self._remembered(task.key, await self._compute(task, report))
        if isinstance(outcome, Done | Blocked):
            self.given[task.node] = outcome.outputs
        return outcome

    def _remembered(self, key: str | None, outcome: Outcome) -> Outcome:
        if isinstance(outcome, Done) and key:
            self.kept[key] = Remembered(outcome.outputs, outcome.ui)
        return outcome

    async def _compute(self, task: Task, report: Callable[[Report], None]) -> Outcome:
        match task.type:
            case "Boom":
                return Failed(Failure("it broke", "mend it", "ValueError"))
            case "Stopper":
                return Interrupted()
            case "Killer":
                raise BackendLost("The worker was killed (SIGKILL).")
            case "Switch":
                wanted = "a" if self._value(task, "pick") else "b"
                if isinstance(task.arguments.get(wanted), Missing):
                    return Needs((wanted,))
                return self._done(task, self._value(task, wanted))
            case "Gate":
                return Blocked((self._keep(task.node, 0, None),), "closed")
            case "Unroll":
                return self._unroll(task)
            case "Waits":
                await asyncio.sleep(0.01)
        report(Progressed(task.node, 1, 1))
        total = sum(self._number(task, name) for name in task.arguments)
        if task.type == "Show":
            return Done((), {"text": [total]})
        return self._done(task, total)

    def _unroll(self, task: Task) -> Outcome:
        """Adds `in0` to itself `times` times by building that many nodes."""
        times = int(self._number(task, "times"))
        nodes: dict[NodeId, GraphNode] = {}
        previous: Link | int = 0
        for index in range(times):
            id = f"{task.node}.{index}"
            nodes[id] = GraphNode(id, "Add", {"in0": previous, "value": 1} if index else {"value": 1})
            previous = Link(id, 0)
        last = previous if isinstance(previous, Link) else self._keep(task.node, 0, 0)
        return Expanded(nodes, ((last,),))

    def _done(self, task: Task, value: object) -> Done:
        return Done((self._keep(task.node, 0, value),), None, 0.001)

    def _keep(self, node: NodeId, slot: int, value: object) -> Token:
        token = Token(f"{self.context.job}/{node}/{len(self.values)}", slot)
        self.values[token] = value
        return token

    def _number(self, task: Task, name: str) -> float:
        value = self._value(task, name)
        return value if isinstance(value, int | float) else 0

    def _value(self, task: Task, name: str) -> object:
        argument = task.arguments.get(name)
        if isinstance(argument, Promised):
            argument = self.given[argument.node][argument.slot]
        if isinstance(argument, Token):
            return self.values[argument]
        return argument.value if isinstance(argument, Literal) else None
