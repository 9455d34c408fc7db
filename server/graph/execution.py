"""A run as a state machine: outcomes go in, tasks come out. No I/O, no clock, no threads.

`ready()` says what can start, best first; `start(id)` hands out its task; `apply(id, outcome)` takes what came of it.
The laws (tested on random graphs): a node runs at most once, never before its inputs, nothing unneeded runs, a failure
stops what depends on it and nothing else.

Nodes that compute run one at a time, in the order in which they were started. So a started one may promise its outputs: what
needs them can be started behind it, and the worker never waits to be told what is next. Where a promise is not kept (the
node failed, made a graph, wants more inputs), those behind it come back as `NotReady` and wait as if never started.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto

from nodes.spec import NodeSpec
from server.graph import expansion
from server.graph.model import BareList, Graph, GraphNode, Link, NodeId, Origin
from server.graph.outcome import (
    Argument,
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
    RawLink,
    Task,
    Token,
)
from server.graph.plan import strong_links
from server.graph.ready import Ready
from server.graph.topology import reach

NOT_LINKED = "graph.NodeInputError"  # the field's name for it


class State(Enum):
    """Where a scheduled node stands."""

    WAITING = auto()
    READY = auto()
    RUNNING = auto()
    FINISHED = auto()
    FAILED = auto()
    UNREACHABLE = auto()  # something it depends on failed


class Execution:
    """One run of one graph.

    Args:
        job: id of the run, written on every task.
        graph: validated.
        targets: output nodes to run.
        keys: content keys by node.
        known: results that need not be computed.
        promises: whether nodes that compute promise their outputs once started.
    """

    def __init__(
        self,
        job: str,
        graph: Graph,
        specs: Mapping[str, NodeSpec],
        targets: Iterable[NodeId],
        keys: Mapping[NodeId, str | None],
        known: Mapping[NodeId, Sequence[Token]],
        *,
        promises: bool = False,
    ) -> None:
        self.job = job
        self.stopped = False
        self.executed: list[NodeId] = []
        self._specs = specs
        self._nodes: dict[NodeId, GraphNode] = dict(graph.nodes)
        self._origins: dict[NodeId, Origin] = {}
        self._keys: dict[NodeId, str | None] = dict(keys)
        self._states: dict[NodeId, State] = {}
        self._attempts: dict[NodeId, int] = {}
        self._promises = promises
        self._awaits: dict[NodeId, set[NodeId]] = {}
        self._hopes: dict[NodeId, set[NodeId]] = {}  # what is promised to a node, and not there yet
        self._forsaken: set[NodeId] = set()  # started nodes that will come back, for a promise was taken back
        self._dependents: dict[NodeId, list[NodeId]] = {}
        self._results: dict[NodeId, tuple[Token, ...]] = {id: tuple(tokens) for id, tokens in known.items()}
        self._made: dict[NodeId, Expanded] = {}  # of nodes whose graph is not done yet
        self._repeated: set[NodeId] = set()  # nodes that must expand again in every run
        self._order: dict[NodeId, int] = {}
        self._ready = Ready(graph, specs)
        self._running = 0
        self._schedule(targets)

    # --- what can start ---------------------------------------------------------------------------------------------

    def ready(self) -> tuple[NodeId, ...]:
        """Nodes that can start now, best first: see `Ready`."""
        return () if self.stopped else self._ready.all()

    def best(self, *, waits: bool = False) -> NodeId | None:
        """The first of `ready()` that computes, or with `waits` that waits rather than computes."""
        return None if self.stopped else self._ready.best(waits=waits)

    def start(self, id: NodeId) -> Task | Collect:
        """Hand out the task of a ready node."""
        self._ready.remove(id)
        self._states[id] = State.RUNNING
        self._running += 1
        node = self._nodes[id]
        if id in self._made:
            key = None if id in self._repeated else self._keys.get(id)
            return Collect(self.job, id, node.type, self._joined(id), key, self._made[id].ui)
        origin = self._origins.get(id)
        task = Task(
            job=self.job,
            node=id,
            type=node.type,
            key=self._keys.get(id),
            arguments=self._arguments(node),
            display=origin.display if origin else id,
            real=origin.real if origin else id,
            parent=origin.parent if origin else None,
            attempt=self._attempts.get(id, 0),
            behind=tuple(self._hopes.get(id, ())),
        )
        if self._promises:
            self._promise(id)
        return task

    # --- what came of it --------------------------------------------------------------------------------------------

    def apply(
        self,
        id: NodeId,
        outcome: Outcome,
        keys: Mapping[NodeId, str | None] | None = None,
        known: Mapping[NodeId, Sequence[Token]] | None = None,
    ) -> Outcome:
        """Take the outcome of a running node.

        Args:
            keys, known: for `Expanded`: content keys of the new nodes, and results that need not be computed.

        Returns:
            The outcome as it counts: `Failed` in place of an expansion or a wish that makes no sense.
        """
        self._running -= 1
        match outcome:
            case Done(outputs=outputs) | Blocked(outputs=outputs):
                self._finish(id, outputs)
                return outcome
            case Interrupted():
                self.stopped = True
                return outcome
            case _:
                self._withdraw(id)
        match outcome:
            case Needs(names=names):
                return self._take_needs(id, names) or outcome
            case Expanded():
                self._keys |= keys or {}
                return self._take_expansion(id, outcome, known or {}) or outcome
            case Failed():
                self._fail(id)
            case NotReady():
                self._forsaken.discard(id)
                self._states[id] = State.WAITING
                self._settle(id)
        return outcome

    # --- what is known of it ----------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Nothing runs and nothing can start."""
        return not self._running and (self.stopped or not self._ready)

    @property
    def keys(self) -> dict[NodeId, str | None]:
        """Content keys by node, those of made nodes too; None: the result must not be kept."""
        return self._keys

    def state(self, id: NodeId) -> State | None:
        """Where a node stands; None if the run does not need it."""
        return self._states.get(id)

    def origin(self, id: NodeId) -> Origin | None:
        """Whose making the node is; None for nodes of the prompt."""
        return self._origins.get(id)

    def node(self, id: NodeId) -> GraphNode:
        """A node of the prompt, or one made in the run."""
        return self._nodes[id]

    def forsaken(self, id: NodeId) -> bool:
        """Whether a started node will come back as `NotReady`: what it was promised does not come about."""
        return id in self._forsaken

    def stuck(self) -> tuple[NodeId, ...]:
        """Once it is over: nodes that wait for each other (only expansion can bring that about)."""
        return tuple(id for id, state in self._states.items() if state is State.WAITING)

    def results(self, id: NodeId) -> tuple[Token, ...] | None:
        """The outputs of a finished node."""
        return self._results.get(id) if self._states.get(id) is State.FINISHED else None

    # --- inside -----------------------------------------------------------------------------------------------------

    def _schedule(self, starts: Iterable[NodeId]) -> None:
        stack = list(reversed(list(starts)))
        while stack:
            id = stack.pop()
            if id in self._states:
                continue
            self._order[id] = len(self._order)
            if id in self._results:
                self._states[id] = State.FINISHED
                continue
            node = self._nodes[id]
            sources = dict.fromkeys(link.node for link in strong_links(node, self._specs.get(node.type)))
            self._states[id] = State.WAITING
            self._awaits[id] = set()
            stack.extend(reversed(list(sources)))
            self._wait_for(id, sources)
            self._settle(id)

    def _wait_for(self, id: NodeId, sources: Iterable[NodeId]) -> None:
        for source in sources:
            if self._states.get(source) is not State.FINISHED and not (
                source in self._results and source not in self._states
            ):
                self._awaits[id].add(source)
                self._dependents.setdefault(source, []).append(id)

    def _settle(self, id: NodeId) -> None:
        """Make a waiting node ready, or unreachable, if that is what it is."""
        if self._states[id] is not State.WAITING:
            return
        if any(self._states.get(source) in (State.FAILED, State.UNREACHABLE) for source in self._awaits[id]):
            self._cut_off(id)
        elif not self._awaits[id]:
            self._states[id] = State.READY
            self._ready.push(id, self._order[id], waits=self._waits(id))

    def _promise(self, id: NodeId) -> None:
        """Let what needs a started node be started behind it, unless either runs out of line or may ask for more first.

        A node that expanded gets no promises: joining its parts takes the parts themselves.
        """
        spec = self._specs[self._nodes[id].type]
        if spec.is_async or any(entry.lazy for entry in spec.inputs):
            return
        for dependent in self._dependents.get(id, ()):
            runs_in_line = not self._waits(dependent) and dependent not in self._made
            if runs_in_line and id in self._awaits[dependent]:
                self._awaits[dependent].discard(id)
                self._hopes.setdefault(dependent, set()).add(id)
                self._settle(dependent)

    def _withdraw(self, id: NodeId) -> None:
        """Take back what a node promised: those that hoped for it wait, those started behind it come back as `NotReady`."""
        for dependent in self._dependents.get(id, ()):
            hopes = self._hopes.get(dependent)
            if hopes and id in hopes:
                hopes.discard(id)
                self._awaits[dependent].add(id)
                if self._states[dependent] is State.RUNNING:
                    self._forsaken.add(dependent)
                elif self._states[dependent] is State.READY:
                    self._ready.remove(dependent)
                    self._states[dependent] = State.WAITING

    def _finish(self, id: NodeId, outputs: Sequence[Token]) -> None:
        self._results[id] = tuple(outputs)
        self._states[id] = State.FINISHED
        self._made.pop(id, None)
        self.executed.append(id)
        for dependent in self._dependents.pop(id, ()):
            hopes = self._hopes.get(dependent)
            if hopes and id in hopes:
                hopes.discard(id)
            else:
                self._awaits[dependent].discard(id)
                self._settle(dependent)

    def _fail(self, id: NodeId) -> None:
        self._states[id] = State.FAILED
        for dependent in self._dependents.pop(id, ()):
            self._cut_off(dependent)

    def _cut_off(self, id: NodeId) -> None:
        stack = [id]
        while stack:
            lost = stack.pop()
            if self._states.get(lost) is State.WAITING:
                self._states[lost] = State.UNREACHABLE
                stack.extend(self._dependents.pop(lost, ()))

    def _take_needs(self, id: NodeId, names: Sequence[str]) -> Failed | None:
        sources = list[NodeId]()
        for name in names:
            wanted = self._nodes[id].inputs.get(name)
            if not isinstance(wanted, Link):
                return self._refuse(id, f"asked for input {name!r}, which nothing is linked to", NOT_LINKED)
            sources.append(wanted.node)
        self._attempts[id] = self._attempts.get(id, 0) + 1
        self._states[id] = State.WAITING
        self._schedule(sources)
        self._wait_for(id, sources)
        self._settle(id)
        return None

    def _take_expansion(
        self, id: NodeId, made: Expanded, known: Mapping[NodeId, Sequence[Token]]
    ) -> Failed | None:
        wrong = expansion.fault(made, self._nodes, self._specs)
        if wrong:
            return self._refuse(id, wrong)
        above = self._origins.get(id)
        for new in made.nodes.values():
            display = made.displays.get(new.id, above.display if above else id)
            self._origins[new.id] = Origin(id, display, above.real if above else id)
            self._nodes[new.id] = new
        self._ready.grow(made.nodes.values())
        self._results |= {new: tuple(tokens) for new, tokens in known.items() if new in made.nodes}
        self._made[id] = made
        self._doubt(id, made)
        self._states[id] = State.WAITING
        sources = dict.fromkeys(part.node for slot in made.parts for part in slot if isinstance(part, Link))
        outputs = [new.id for new in made.nodes.values() if self._is_output(new)]
        self._schedule((*sources, *outputs))
        self._wait_for(id, sources)
        self._settle(id)
        return None

    def _doubt(self, id: NodeId, made: Expanded) -> None:
        """See to it that a remembered result never hides what the made graph shows, or gives differently next time."""
        differs = any(self._keys.get(new) is None for new in made.nodes)
        if not differs and not any(self._is_output(new) for new in made.nodes.values()):
            return
        maker: NodeId | None = id
        while maker is not None:
            self._repeated.add(maker)
            if differs:
                for dependent in reach([maker], self._ready.fed_by):
                    self._keys[dependent] = None
            origin = self._origins.get(maker)
            maker = origin.parent if origin else None

    def _refuse(self, id: NodeId, what: str, kind: str = "server.graph.NodeFault") -> Failed:
        self._fail(id)
        message = f"{self._nodes[id].type} {what}."
        return Failed(Failure(message, "This is a fault of the node's code: tell its author.", kind))

    def _joined(self, id: NodeId) -> tuple[tuple[Token, ...], ...]:
        return tuple(
            tuple(self._results[part.node][part.slot] if isinstance(part, Link) else part for part in slot)
            for slot in self._made[id].parts
        )

    def _arguments(self, node: GraphNode) -> dict[str, Argument]:
        spec = self._specs[node.type]
        arguments: dict[str, Argument] = {}
        for name, value in node.inputs.items():
            declared = spec.input(name)
            if declared is None and not spec.takes_anything:
                continue
            if not isinstance(value, Link):
                arguments[name] = Literal(list(value.value) if isinstance(value, BareList) else value)
            elif declared is not None and declared.raw_link:
                arguments[name] = RawLink(value)
            else:
                arguments[name] = self._fed(node.id, value)
        return arguments

    def _fed(self, id: NodeId, link: Link) -> Argument:
        if link.node in self._hopes.get(id, ()):
            return Promised(link.node, link.slot)
        results = self._results.get(link.node)
        known = results is not None and self._states.get(link.node) in (State.FINISHED, None)
        return results[link.slot] if results and known and link.slot < len(results) else Missing()

    def _waits(self, id: NodeId) -> bool:
        """Whether it waits rather than computes, and so runs beside others; joining an expansion's parts computes."""
        return self._specs[self._nodes[id].type].is_async and id not in self._made

    def _is_output(self, node: GraphNode) -> bool:
        return self._specs[node.type].is_output
