"""The headless door: run a validated graph on a host, say what happens, return how it ended.

ending = await run(Order(...), specs, host, emit)
"""

import asyncio
from collections import ChainMap, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping

from nodes.spec import Json, NodeSpec
from server.graph import signature
from server.graph.blame import blame
from server.graph.execution import Execution
from server.graph.happenings import (
    Event,
    JobFailed,
    JobStarted,
    JobStopped,
    JobSucceeded,
    NodeBlocked,
    NodeDone,
    NodeFailed,
    NodeProgressed,
    NodeSaid,
    NodesCached,
    NodeStarted,
    Place,
)
from server.graph.host import BackendLost, Host, JobContext, Progressed, Remembered, Report, SwitchedOff
from server.graph.keyring import Keyring
from server.graph.model import Graph, GraphNode, NodeId
from server.graph.order import Ending, Order, Status, Ui
from server.graph.outcome import (
    Blocked,
    Collect,
    Done,
    Expanded,
    Failed,
    Failure,
    Interrupted,
    Outcome,
    Task,
    Token,
    Usage,
    now_ms,
)
from server.graph.plan import concerned, needed
from server.graph.spent import Spent
from server.graph.validate import call

Specs = Mapping[str, NodeSpec]
RING = Failure(
    "Dependency cycle detected",
    "Nodes wait for each other and none can start: cut one of their links.",
    "graph.DependencyCycleError",
)


async def run(
    order: Order, specs: Specs, host: Host, emit: Callable[[Event], None], keyring: Keyring | None = None
) -> Ending:
    """Run a job to its end. A `keyring` that lives on spares the keys of what ran before.

    Emits JobStarted, NodesCached, then for each node its events, then JobSucceeded, JobFailed or JobStopped. After a
    failure, nodes that do not depend on the failed one still run, unless the order says otherwise; the job then ends
    as failed.
    """
    return await _Run(order, specs, host, emit, keyring or Keyring()).drive()


class _Run:
    def __init__(
        self, order: Order, specs: Specs, host: Host, emit: Callable[[Event], None], keyring: Keyring
    ) -> None:
        self._order = order
        self._keyring = keyring
        self._specs = specs
        self._host = host
        self._emit = emit
        self._execution = Execution(order.job, Graph({}), specs, (), {}, {})
        self._spent: Spent | None = None  # of hosts that want to know
        self._outputs: dict[NodeId, Ui] = {}
        self._timings: dict[NodeId, float] = {}
        self._first: NodeFailed | None = None
        self._lost: JobFailed | None = None
        self._stopped = False
        self._stopped_at: NodeId | None = None  # None where it was between nodes
        # The first node of the line runs, those behind it are handed over ahead of time.
        self._line: deque[NodeId] = deque()
        self._pending: dict[
            NodeId, asyncio.Future[Outcome]
        ] = {}  # those, and nodes that wait rather than compute
        self._ahead = 1 if order.stop_at_failure else host.ahead
        self._announced: set[NodeId] = set()
        self._early: dict[NodeId, list[Report]] = {}  # what nodes reported before they were announced
        self._arrived: list[tuple[NodeId, asyncio.Future[Outcome]]] = []
        self._news = asyncio.Event()

    async def drive(self) -> Ending:
        order = self._order
        self._emit(JobStarted(order.job, now_ms()))
        try:
            context = JobContext(
                order.job,
                order.prompt,
                order.extra,
                order.previews,
                order.run,
                order.secrets,
                order.client,
            )
            spares = await self._host.begin(context)
            scope = await self._prepare()
            self._spent = Spent(scope, self._specs, self._execution) if spares else None
            await self._loop()
            await self._host.end()
        except BackendLost as lost:
            self._blame_worker(lost)
        return self._end()

    async def _prepare(self) -> Graph:
        """Find out what need not run; gives the nodes that may."""
        graph, targets = self._order.graph, self._order.targets
        wanted = concerned(graph, targets)
        whole = len(wanted) == len(graph)
        scope = graph if whole else Graph({node.id: node for node in graph if node.id in wanted})
        keys = self._keyring.keys(scope, self._specs, await self._tokens(scope, scope))
        known = await self._recall(wanted, keys)
        cached = needed(graph, self._specs, targets, known) & known.keys()
        in_order = tuple(node.id for node in graph if node.id in known)
        self._emit(NodesCached(self._order.job, in_order, now_ms()))
        tokens = {id: entry.outputs for id, entry in known.items()}
        self._execution = Execution(
            self._order.job, graph, self._specs, targets, keys, tokens, promises=self._ahead > 1
        )
        for id in graph.nodes:
            if id in cached:
                self._show(id, known[id].ui, cached=True, speak=known[id].ui is not None or id in targets)
        return scope

    async def _tokens(self, graph: Graph, fresh: Iterable[GraphNode]) -> Mapping[NodeId, str | None]:
        asked = [
            node for node in fresh if node.type in self._specs and self._specs[node.type].has_change_token
        ]
        if not asked:
            return {}
        return await self._host.change_tokens([call(graph, node, self._specs) for node in asked])

    async def _recall(
        self, ids: Iterable[NodeId], keys: Mapping[NodeId, str | None]
    ) -> dict[NodeId, Remembered]:
        wanted = {id: key for id in ids if (key := keys.get(id)) is not None}
        if not wanted:
            return {}
        found = await self._host.recall(set(wanted.values()))
        return {id: found[key] for id, key in wanted.items() if key in found}

    async def _loop(self) -> None:
        while True:
            self._start_what_can()
            if not self._pending:
                return
            await self._news.wait()
            self._news.clear()
            arrived, self._arrived = self._arrived, []
            for id, future in arrived:
                outcome = future.result()  # raises BackendLost while the node still counts as running
                del self._pending[id]
                await self._take(id, outcome)

    def _start_what_can(self) -> None:
        """All nodes that wait rather than compute; one that computes, and behind it what the host takes ahead of time."""
        while (id := self._execution.best(waits=True)) is not None:
            self._submit(id, self._execution.start(id))
            self._announce(id)
        while len(self._line) < self._ahead and (id := self._execution.best()) is not None:
            task = self._execution.start(id)
            if isinstance(task, Collect) and (joined := task.trivial()):
                self._expect(id, _at_once(joined))
                continue
            self._line.append(id)
            self._submit(id, task)
            if self._line[0] == id:
                self._announce(id)

    def _submit(self, id: NodeId, task: Task | Collect) -> None:
        self._expect(id, self._host.submit(task, lambda report: self._pass_on(id, report)))

    def _expect(self, id: NodeId, outcome: Awaitable[Outcome]) -> None:
        future = asyncio.ensure_future(outcome)
        self._pending[id] = future
        future.add_done_callback(lambda done: self._hear(id, done))

    def _hear(self, id: NodeId, future: "asyncio.Future[Outcome]") -> None:
        if not future.cancelled():
            future.exception()  # seen: of many that were lost with a worker only the first is looked at
        self._arrived.append((id, future))
        self._news.set()

    def _announce(self, id: NodeId) -> None:
        """A node begins to run, as far as anyone can tell: the one before it in the line is done."""
        if id not in self._announced and not self._execution.stopped and not self._execution.forsaken(id):
            self._announced.add(id)
            self._emit(NodeStarted(self._order.job, self._place(id)))
            for report in self._early.pop(id, ()):
                self._pass_on(id, report)

    def _pass_on(self, id: NodeId, report: Report) -> None:
        if id not in self._announced:
            # It was handed over ahead, and the outcome of the one before it is not taken yet.
            self._early.setdefault(id, []).append(report)
            return
        place = self._place(id)
        if isinstance(report, Progressed):
            self._emit(NodeProgressed(self._order.job, place, report.value, report.total, report.preview))
        elif isinstance(report, SwitchedOff):
            self._emit(self._blocked(id, report.message))
        else:
            self._emit(NodeSaid(self._order.job, place, report.text))

    async def _take(self, id: NodeId, outcome: Outcome) -> None:
        in_line = bool(self._line) and self._line[0] == id
        if in_line:
            self._line.popleft()
        await self._take_outcome(id, outcome)
        if in_line and self._line:
            self._announce(self._line[0])

    async def _take_outcome(self, id: NodeId, outcome: Outcome) -> None:
        if isinstance(outcome, Expanded):
            outcome = await self._take_expansion(id, outcome)
        else:
            outcome = self._execution.apply(id, outcome)
        if self._spent is not None and (spent := self._spent.after(id, outcome)):
            self._host.release(spent)
        match outcome:
            case Done(ui=ui, twin=True):
                self._show(id, ui, cached=True)
            case Done(ui=ui, seconds=seconds, usage=usage):
                self._timings[id] = self._timings.get(id, 0.0) + seconds
                self._show(id, ui, seconds=self._timings[id], usage=usage)
            case Blocked(message=message):
                if message is not None:
                    self._emit(self._blocked(id, message))
                self._emit(NodeDone(self._order.job, self._place(id), None))
            case Failed(failure=failure):
                self._fail(id, failure)
            case Interrupted():
                if not self._stopped and (self._first is None or not self._order.stop_at_failure):
                    self._stopped, self._stopped_at = True, id
            case _:
                pass

    async def _take_expansion(self, id: NodeId, made: Expanded) -> Outcome:
        new = Graph(made.nodes)
        fresh = await self._tokens(new, new)
        added: dict[NodeId, str | None] = {}
        signature.extend(new, self._specs, fresh, ChainMap(added, self._execution.keys))
        known = await self._recall(made.nodes, added)
        tokens: dict[NodeId, tuple[Token, ...]] = {new_id: entry.outputs for new_id, entry in known.items()}
        outcome = self._execution.apply(id, made, added, tokens)
        if outcome is made:
            for new_id, entry in known.items():
                self._show(new_id, entry.ui, cached=True)
        return outcome

    def _show(
        self,
        id: NodeId,
        ui: Ui | None,
        *,
        cached: bool = False,
        seconds: float = 0.0,
        usage: Usage | None = None,
        speak: bool = True,
    ) -> None:
        if ui is not None:
            self._outputs[id] = ui
        if speak:
            self._emit(NodeDone(self._order.job, self._place(id), ui, cached, seconds, usage))

    def _fail(self, id: NodeId, failure: Failure) -> None:
        node = self._execution.node(id)
        event = NodeFailed(self._order.job, self._place(id), node.type, failure)
        self._first = self._first or event
        if self._order.stop_at_failure:
            self._execution.stopped = True
        self._emit(event)

    def _blocked(self, id: NodeId, message: str) -> NodeBlocked:
        executed = tuple(self._execution.executed)
        return NodeBlocked(self._order.job, self._place(id), self._execution.node(id).type, message, executed)

    def _blame_worker(self, lost: BackendLost) -> None:
        """The worker died: the node that ran takes the blame, since what it did is the likeliest cause."""
        for future in self._pending.values():
            future.cancel()
        waiting = [id for id in self._pending if id not in self._line]
        blamed = blame(lost, self._line[0] if self._line else None, waiting)
        culprit = blamed.node
        if lost.stopped:
            if not self._stopped:
                self._stopped, self._stopped_at = True, culprit
            return
        hint = blamed.hint(lost, [self._type(id) for id in blamed.others])
        failure = Failure(lost.message, hint, "BackendLost", lost.lines)
        place = self._place(culprit) if culprit is not None else None
        type = self._type(culprit)
        executed = tuple(self._execution.executed)
        if place is not None:
            self._emit(NodeFailed(self._order.job, place, type, failure))
        self._lost = JobFailed(self._order.job, place, type, failure, executed, now_ms())

    def _end(self) -> Ending:
        failure = self._failure()
        executed = tuple(self._execution.executed)
        if failure:
            status = Status.FAILED
            self._emit(failure)
        elif self._stopped:
            status, at = Status.STOPPED, self._stopped_at
            place = self._place(at) if at is not None else None
            self._emit(JobStopped(self._order.job, place, self._type(at), executed, now_ms()))
        else:
            status = Status.SUCCEEDED
            self._emit(JobSucceeded(self._order.job, now_ms()))
        meta = {id: self._meta(id) for id in self._outputs}
        return Ending(status, self._outputs, meta, executed, failure, self._timings)

    def _failure(self) -> JobFailed | None:
        if self._stopped:
            return None
        if self._first:
            first, executed = self._first, tuple(self._execution.executed)
            return JobFailed(first.job, first.place, first.type, first.failure, executed, now_ms())
        if self._lost:
            return self._lost
        stuck = self._execution.stuck()
        if not stuck:
            return None
        blamed = next((id for id in stuck if self._execution.origin(id)), stuck[0])
        type = self._execution.node(blamed).type
        return JobFailed(
            self._order.job, self._place(blamed), type, RING, tuple(self._execution.executed), now_ms()
        )

    def _type(self, id: NodeId | None) -> str:
        """Its class type; empty for no node. Before the graph is prepared, the prompt's own nodes are all there is."""
        if id is None:
            return ""
        node = self._order.graph.nodes.get(id)
        return node.type if node is not None else self._execution.node(id).type

    def _place(self, id: NodeId) -> Place:
        origin = self._execution.origin(id)
        if origin is None:
            return Place(id, id, id)
        return Place(id, origin.display, origin.real, origin.parent)

    def _meta(self, id: NodeId) -> dict[str, Json]:
        place = self._place(id)
        return {
            "node_id": place.node,
            "display_node": place.display,
            "parent_node": place.parent,
            "real_node_id": place.real,
        }


async def _at_once(outcome: Outcome) -> Outcome:
    """An outcome that nobody need be asked for."""
    return outcome
