"""The job that runs, as its nodes may see it: the prompt, the nodes made on the way, and the `Context` of each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from nodes.spec import Files, Json, Lineage, Preview
from server.graph.host import JobContext, Progressed, Report, Said
from server.graph.model import Link, NodeId
from server.graph.outcome import Promised, Task, Token
from server.graph.parse import parse_input
from server.graph.written import Written
from server.worker.lineage import lineage
from server.worker.parts import WorkerParts
from server.worker.stopping import StopSwitch

T = TypeVar("T")
LONGEST_WORDS = 20_000  # characters that a node may show at once while it runs


@dataclass(frozen=True, slots=True)
class Made:
    """A node that a running node made: its prompt JSON, its maker, and whom the canvas and errors name for it."""

    node: Json
    parent: NodeId
    display: NodeId
    real: NodeId


class RunningPrompt:
    """The prompt with all nodes made so far; hidden inputs of type DYNPROMPT get it. Its names are the field's."""

    def __init__(self, prompt: Written) -> None:
        self._written = prompt
        self._made: dict[NodeId, Made] = {}

    @property
    def _original(self) -> Mapping[str, Json]:
        return self._written.value  # read when a node first asks: most never do

    def add(self, id: NodeId, made: Made) -> None:
        """Take in a node that a running node made."""
        self._made[id] = made

    def has_node(self, node_id: NodeId) -> bool:
        """Whether there is such a node."""
        return node_id in self._original or node_id in self._made

    def get_node(self, node_id: NodeId) -> Json:
        """Its prompt JSON.

        Raises:
            KeyError: there is none.
        """
        return self._made[node_id].node if node_id in self._made else self._original[node_id]

    def get_parent_node_id(self, node_id: NodeId) -> NodeId | None:
        """The node that made it; None for nodes of the prompt."""
        return self._made[node_id].parent if node_id in self._made else None

    def get_display_node_id(self, node_id: NodeId) -> NodeId:
        """The node that the canvas marks for it."""
        return self._made[node_id].display if node_id in self._made else node_id

    def get_real_node_id(self, node_id: NodeId) -> NodeId:
        """The node of the prompt it goes back to."""
        return self._made[node_id].real if node_id in self._made else node_id

    def all_node_ids(self) -> set[NodeId]:
        """Ids of all nodes, made ones too."""
        return {*self._original, *self._made}

    def order(self) -> list[NodeId]:
        """All nodes, each after those that feed it; a node that another made comes after its maker.

        Where nodes that nobody needs are in a ring there is no such order: then as they were sent.
        """
        before = {id: {*_linked(node)} for id, node in self._original.items()}
        before |= {id: {made.parent, *_linked(made.node)} for id, made in self._made.items()}
        known = {id: [one for one in needed if one in before] for id, needed in before.items()}
        try:
            return list(TopologicalSorter(known).static_order())
        except CycleError:
            return list(known)

    def made_by(self) -> Mapping[NodeId, Sequence[NodeId]]:
        """The nodes that each running node made, by their maker."""
        found: dict[NodeId, list[NodeId]] = {}
        for id, made in self._made.items():
            found.setdefault(made.parent, []).append(id)
        return found

    def get_original_prompt(self) -> Mapping[str, Json]:
        """The prompt as it was sent."""
        return self._original


def _linked(node: Json) -> Iterator[NodeId]:
    """The nodes that feed a node of a prompt."""
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    for value in inputs.values() if isinstance(inputs, Mapping) else ():
        found = parse_input(value)
        if isinstance(found, Link):
            yield found.node


class PromiseBroken(Exception):
    """What a task was promised is not there: its node failed, or is not done yet."""


class RunningJob:
    """A job's context, the nodes made in it, and what its nodes have given so far."""

    def __init__(self, context: JobContext) -> None:
        self.context = context
        self._extra: Mapping[str, Json] | None = None
        self.prompt = RunningPrompt(context.prompt)
        self._given: dict[NodeId, tuple[Token, ...]] = {}

    @property
    def extra(self) -> Mapping[str, Json]:
        """What came beside the prompt, with the keys that are written nowhere."""
        if self._extra is None:
            self._extra = {**self.context.extra.value, **self.context.secrets}
        return self._extra

    def give(self, node: NodeId, outputs: tuple[Token, ...]) -> None:
        """A node is done."""
        self._given[node] = outputs

    def check_promises(self, task: Task) -> None:
        """Do nothing if all that the task was handed over behind is done.

        Raises:
            PromiseBroken: it is not.
        """
        if not all(node in self._given for node in task.behind):
            raise PromiseBroken

    def promised(self, promise: Promised) -> Token:
        """What became of a promise that was kept."""
        return self._given[promise.node][promise.slot]

    def hidden(self, kind: str, node: NodeId) -> object:
        """What a hidden input of that type receives; None for types nobody here fills."""
        match kind:
            case "UNIQUE_ID":
                return node
            case "PROMPT":
                return self.context.prompt.value
            case "DYNPROMPT":
                return self.prompt
            case "EXECUTION_LIST":
                return self.prompt.order()
            case "EXTRA_PNGINFO":
                return self.extra.get("extra_pnginfo")
            case _:
                return self.extra.get(kind.lower())


@dataclass(frozen=True, slots=True)
class NodeContext:
    """Implements `nodes.spec.Context` for one call of one node.

    Attributes:
        call: which call it is, where lists make several.
        saving: the files as this call sees them; None: as all do.
    """

    task: Task
    job: RunningJob
    parts: WorkerParts
    switch: StopSwitch
    report: Callable[[Report], None]
    call: int = 0
    saving: Files | None = None

    def at(self, call: int) -> "NodeContext":
        """The context of another call of the same node; what it saves is counted anew."""
        saves, run = self.parts.saves, self.job.context.run
        saving = saves.files(run, self.task.node, call) if saves is not None and run else None
        return replace(self, call=call, saving=saving)

    @property
    def node_id(self) -> str:
        """Id of the node in the running graph."""
        return self.task.node

    @property
    def prompt(self) -> Mapping[str, Json]:
        """The whole prompt as it was sent."""
        return self.job.context.prompt.value

    @property
    def extra(self) -> Mapping[str, Json]:
        """What the client sent beside the prompt."""
        return self.job.extra

    @property
    def lineage(self) -> Lineage:
        """Where what this node is given comes from."""
        job = self.job
        return lineage(job.context.job, job.prompt, self.parts.registry.spec, self.task.node, self.call)

    @property
    def files(self) -> Files:
        """The workspace's files."""
        return self.saving or self.parts.files

    @property
    def previews(self) -> bool:
        """Whether anyone looks at previews."""
        return self.job.context.previews

    def resource(self, kind: type[T]) -> T:
        """The worker's one object of that type.

        Raises:
            LookupError: the worker was built without one.
        """
        found = self.parts.resources.get(kind)
        if isinstance(found, kind):
            return found
        raise LookupError(f"This worker has no {kind.__name__}.")

    def progress(self, value: int, total: int, preview: Preview | None = None) -> None:
        """Report `value` of `total` steps; a preview that nobody looks at stays here.

        Raises:
            Stopped: the person pressed Stop.
        """
        self.switch.check()
        self.report(Progressed(self.task.node, int(value), int(total), preview if self.previews else None))

    def say(self, text: str) -> None:
        """Show a line of text on the node."""
        self.report(Said(self.task.node, str(text)[:LONGEST_WORDS]))

    def check_stop(self) -> None:
        """Raise `Stopped` if the person pressed Stop."""
        self.switch.check()
