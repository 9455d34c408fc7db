"""A worker: runs nodes with the parts it was furnished with, answers questions about them. Knows no process.

`server.worker.main` puts it behind a pipe, `server.backends.thread` uses it in place.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from nodes.spec import Json, NodeError, NodeSpec, RecordedFile, Stopped
from server.graph.host import Call, Complaint, JobContext, Remembered, Report
from server.graph.model import NodeId
from server.graph.outcome import (
    Blocked,
    Collect,
    Done,
    Expanded,
    Failed,
    Interrupted,
    NotReady,
    Outcome,
    Task,
)
from server.graph.written import Written
from server.memory import memory
from server.worker.arguments import Lists, gather
from server.worker.disk import Disk, default_budget
from server.worker.entry import VERSION
from server.worker.failures import failure, is_out_of_memory
from server.worker.invoke import Invocation
from server.worker.lanes import Lanes
from server.worker.messages import Described, Recall, Recalled
from server.worker.outputs import Outputs
from server.worker.parts import Factory, Inquire, PackReport, Publish, Services, WorkerParts
from server.worker.questions import change_token, complaints
from server.worker.recalling import Answerer
from server.worker.room import AGAIN, Room, told
from server.worker.running import NodeContext, PromiseBroken, RunningJob
from server.worker.shown import stands
from server.worker.stopping import StopSwitch
from server.worker.usage import Meter

LAST_WRITES = 0.5  # seconds; the server waits a second for its worker to leave
WARM = 60.0  # seconds that a plan waits for imports at the start
NOWHERE = JobContext("", Written({}), Written({}), previews=False)

log = logging.getLogger(__name__)


def _ignore(_report: Report) -> None:
    """A question's node has nobody to report to."""


def _unheld(_sources: tuple[str, ...]) -> None:
    """Nobody wants to know which models are loaded."""


def _unasked(_node: NodeId) -> None:
    """Nobody wants to know which node is asked."""


def _untold(_event: str | int, _data: "Json | bytes", _client: str | None) -> None:
    """No client listens."""


def _unknown(_about: str, _ids: Sequence[str]) -> Json:
    """There is no server to ask."""
    return None


class Worker:
    """Built once per process (or per test); its methods may be called from any thread.

    Args:
        factory: furnishes it, which may take long: imports, packs.
        switch: Stop, pressed from outside.
        announce: told the name of each pack before it is loaded.
        skip: packs not to load, and why.
        asking: told the id of each node before it is asked about its inputs.
        holding: told which models are loaded, when that changes.
        publish, wonder: see `Services`.
    """

    def __init__(
        self,
        factory: Factory,
        switch: StopSwitch,
        announce: Callable[[str], None],
        skip: Mapping[str, str],
        asking: Callable[[NodeId], None] = _unasked,
        holding: Callable[[tuple[str, ...]], None] = _unheld,
        publish: Publish = _untold,
        wonder: Inquire = _unknown,
    ) -> None:
        self._switch = switch
        self._asking_node = asking
        self._holding, self._sources = holding, ()
        self._parts: WorkerParts = factory.build(Services(switch.check, announce, skip, publish, wonder))
        self._packs: tuple[PackReport, ...] = tuple(self._parts.load_packs())
        self._name = secrets.token_hex(4)
        self._outputs = _outputs(self._parts, self._name)
        self._answerer = Answerer(self._known)
        self._job = RunningJob(NOWHERE)
        self._busy = False
        self._turning = threading.Lock()  # held while packs are imported anew
        self._nodes = self._parts.registry.snapshot()
        self._room = Room(self._parts, self._outputs)
        self._meter = Meter(self._parts.device_peak)
        self._lanes = Lanes(self._parts.around)
        self._reading = ThreadPoolExecutor(1, "weft-reading")
        self._warm = threading.Event()
        self._lanes.compute(self._warm_up)

    # --- a job ------------------------------------------------------------------------------------------------------

    @property
    def spares(self) -> bool:
        """Whether what a job needs no more shall be released while it runs."""
        return self._outputs.spares

    def begin(self, context: JobContext) -> None:
        """A job starts."""
        self._switch.clear()
        self._busy = True
        self._job = RunningJob(context)
        self._nodes = (
            self._parts.registry.snapshot()
        )  # a pack that is edited meanwhile counts for the next job
        self._outputs.begin()
        self._parts.begin(context.job, context.client)

    def submit(self, task: Task | Collect, report: Callable[[Report], None]) -> "Future[Outcome]":
        """Run one node; `report` is called from the thread in which it runs."""
        if isinstance(task, Collect):
            return self._lanes.compute(lambda: self._collect(task))
        node = self._nodes.get(task.type)
        if node is not None and node.spec.is_async:
            return self._lanes.wait(lambda: self._run(task, report))
        return self._lanes.compute(lambda: self._run(task, report))

    def change_tokens(self, calls: Sequence[Call]) -> "Future[Mapping[NodeId, str | None]]":
        """For each node a text that is equal while what it reads is unchanged, or None.

        Takes its turn among the nodes that compute: reading large files must not delay other questions.
        """
        return self._lanes.compute(lambda: self._change_tokens(calls))

    def stop(self) -> None:
        """Press Stop."""
        self._switch.press()
        self._lanes.cancel_waiting()

    def recall(self, keys: Collection[str]) -> "Future[Mapping[str, Remembered]]":
        """Which results of these keys are known; they stay known until `end`.

        Kept files are read for it, in a thread of its own: nodes go on meanwhile, and Stop is heard.
        """
        return self._reading.submit(self._known, keys)

    def release(self, results: Collection[str]) -> None:
        """The job needs these results no more."""
        self._outputs.release(results)

    def answer(self, question: Recall) -> "Future[Recalled]":
        """`recall`, for an asker who remembers earlier answers."""
        return self._reading.submit(self._answerer.answer, question)

    def end(self) -> None:
        """The job is over."""
        self._busy = False
        self._outputs.end()

    def bring_back(self, sources: Sequence[str]) -> None:
        """Load models as the worker before held them, while no job asks for something else."""
        for source in sources:
            self._lanes.compute(partial(self._bring_back, source))

    # --- questions --------------------------------------------------------------------------------------------------

    def specs(self, *, refresh: bool = False, fresh: bool = False) -> Mapping[str, NodeSpec]:
        """Descriptions of all nodes."""
        if refresh or fresh:
            with self._turning:
                if not self._busy:  # a node's own imports would meet a pack that is half there
                    self._parts.freshen()
        if refresh:
            self._parts.refresh()
        return self._parts.registry.specs()

    def described(self, *, refresh: bool, known: str, fresh: bool = False) -> Described:
        """All nodes, unless the asker knows this edition of them."""
        specs = self.specs(refresh=refresh, fresh=fresh)
        edition = f"{self._name}.{self._parts.registry.revision}"
        return Described(edition, None if edition == known else specs, self._parts.registered())

    def on_prompt(self, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """What packs make of the body of a posted prompt."""
        return self._parts.on_prompt(body)

    def packs(self) -> Sequence[PackReport]:
        """How each community pack fared."""
        return self._packs if self._parts.packs is None else tuple(self._parts.packs())

    def validate(self, calls: Sequence[Call]) -> Sequence[Complaint]:
        """What nodes say of their inputs. Runs in the caller's thread: a node that computes does not delay it."""
        return asyncio.run(self._validate(calls))

    def free(self, *, models: bool, results: bool) -> None:
        """Let go of loaded models, of kept results."""
        if models:
            self._parts.free_models()
        if results:
            self._outputs.clear()

    def devices(self) -> Sequence[Mapping[str, Json]]:
        """Devices and their memory."""
        return self._parts.devices()

    def standing(self, files: Sequence[RecordedFile]) -> Mapping[str, Json]:
        """What the record in a file would say today of this machine and of these files."""
        return self._parts.standing(files)

    def plan(self, prompt: Mapping[str, Json]) -> Mapping[str, Json]:
        """What memory a prompt will need. Two threads that import the same libraries at once can meet halves of them."""
        self._warm.wait(WARM)
        return self._parts.plan(prompt)

    def settle(self) -> None:
        """The end is near: let what goes to disk get there, if that is soon."""
        self._outputs.settle(LAST_WRITES)

    def close(self) -> None:
        """Let the threads end."""
        self.settle()
        self._switch.press()
        self._lanes.cancel_waiting()
        self._lanes.close()
        self._reading.shutdown(wait=False)
        self._meter.close()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _known(self, keys: Collection[str]) -> Mapping[str, Remembered]:
        return self._outputs.recall(keys, self._switch.check)

    async def _warm_up(self) -> None:
        try:
            if self._parts.saves is not None:
                self._parts.saves.sweep()
            self._parts.warm_up()
        finally:
            self._warm.set()

    async def _bring_back(self, source: str) -> None:
        if self._job.context is NOWHERE:
            self._parts.bring_back(source)
            self._tell_sources()

    def _tell_sources(self) -> None:
        found = self._parts.sources()
        if found != self._sources:
            self._sources = found
            self._holding(found)

    async def _run(self, task: Task, report: Callable[[Report], None]) -> Outcome:
        """Run a node; whatever it raises becomes an outcome."""
        if self._switch.pressed:
            return Interrupted()
        with self._turning:  # an edited pack is whole before a node runs
            lists: Lists = {}
        held = ""  # when memory ran out for the first time
        try:
            node = self._nodes.get(task.type)
            if node is None:
                return Failed(
                    failure(
                        NodeError(f"The node {task.type} is not there.", "Its pack may have failed to load.")
                    )
                )
            lists = gather(node.spec, task, self._job, self._outputs)
            context = NodeContext(task, self._job, self._parts, self._switch, report)
            if self._outputs.damaged(task.key):
                context.say("What was kept of this node was damaged on the disk, so it is computed anew.")
            invocation = Invocation(node, task, context, self._outputs, self._meter)
            outcome = self._twin(task) or await _attempt(invocation, lists)
            if outcome is None:
                held = self._room.make()
                context.say(AGAIN)
                outcome = await invocation.run(lists)
        except PromiseBroken:
            return NotReady()
        except Stopped:
            return Interrupted()
        except BaseException as error:  # noqa: BLE001 - a node may raise anything; the worker lives on
            if isinstance(error, asyncio.CancelledError) and self._switch.pressed:
                return Interrupted()
            if is_out_of_memory(error):
                twice, held = bool(held), held or self._room.make()
                return Failed(told(failure(error, lists), held, twice=twice))
            return Failed(failure(error, lists))
        finally:
            self._tell_sources()
        if self._switch.pressed and isinstance(outcome, Done | Blocked | Expanded):
            return Interrupted()
        if isinstance(outcome, Done | Blocked):
            self._job.give(task.node, outcome.outputs)
        return outcome

    def _twin(self, task: Task) -> Done | None:
        """What another node of this job gave that did the same with the same, if there is one."""
        same = self._outputs.twin(task.key)
        return None if same is None else Done(same.outputs, same.ui, twin=True)

    async def _collect(self, task: Collect) -> Outcome:
        """Join the parts of each slot."""
        try:
            slots = [[value for token in slot for value in self._outputs.get(token)] for slot in task.parts]
        except NodeError as error:
            return Failed(failure(error))
        return Done(self._outputs.put(slots, task.key, task.ui), task.ui)

    async def _validate(self, calls: Sequence[Call]) -> Sequence[Complaint]:
        found: list[Complaint] = []
        job = RunningJob(NOWHERE)
        for call in calls:
            node = self._parts.registry.get(call.type)
            if node is not None and node.validate is not None:
                self._asking_node(call.node)
                found.extend(await complaints(node, call, self._asking(call, job)))
        return found

    async def _change_tokens(self, calls: Sequence[Call]) -> Mapping[NodeId, str | None]:
        found: dict[NodeId, str | None] = {}
        for call in calls:
            node = self._nodes.get(call.type)
            context = self._asking(call, self._job)
            self._asking_node(call.node)
            found[call.node] = await change_token(node, call, self._job, context) if node else None
        return found

    def _asking(self, call: Call, job: RunningJob) -> NodeContext:
        """The context of a question: no Stop, nobody to report to."""
        task = Task(
            job=job.context.job,
            node=call.node,
            type=call.type,
            key=None,
            arguments={},
            display=call.node,
            real=call.node,
        )
        return NodeContext(task, job, self._parts, StopSwitch(), _ignore)


async def _attempt(invocation: Invocation, lists: Lists) -> Outcome | None:
    """Run a node; None: memory ran out, and it may be tried again. An output node may have written something.

    Once this has returned, nothing holds what the failed attempt had computed: an exception's traceback would.
    """
    try:
        return await invocation.run(lists)
    except Exception as error:
        if invocation.node.spec.is_output or not is_out_of_memory(error):
            raise
        return None


def _outputs(parts: WorkerParts, name: str) -> Outputs:
    """Where the values go, as the parts say."""
    keeping, lasting = parts.keeping.resolved(memory()[0]), parts.lasting
    disk = None
    if lasting is not None and keeping.disk != 0:
        try:
            lasting.root.mkdir(parents=True, exist_ok=True)
            budget = default_budget(lasting.root) if keeping.disk is None else keeping.disk
            disk = Disk(lasting.root, f"{lasting.identity}-{VERSION}", lasting.codec, budget)
        except OSError as error:
            log.warning("Results cannot be kept in %s: %s", lasting.root, error.strerror or error)
    return Outputs(keeping, name, disk=disk, stands=partial(stands, parts.files), usable=parts.stands)
