"""From a task's arguments to the keyword arguments of each call: list semantics, hidden inputs, blockers.

Every value on a wire is a list. A node is called once per element of its longest input; shorter lists repeat their last
element. A node that takes lists is called once, with lists.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from nodes.spec import Blocker, InputSpec, Json, NodeError, NodeSpec, Section
from server.graph.model import NodeId
from server.graph.outcome import Argument, Literal, Missing, Promised, RawLink, Task, Token
from server.worker.outputs import Outputs
from server.worker.running import RunningJob

Lists: TypeAlias = Mapping[str, Sequence[object]]
Keywords: TypeAlias = Mapping[str, object]
BUILT_IN = "nodes"  # the module of nodes that come with Weft
KINDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "INT": ("whole number", (int,)),
    "FLOAT": ("number", (int, float)),
    "STRING": ("text", (str,)),
}
NO_SCALARS = frozenset(
    (
        "MODEL",
        "CLIP",
        "VAE",
        "CONDITIONING",
        "CONTROL_NET",
        "LATENT",
        "IMAGE",
        "MASK",
        "SIGMAS",
        "SAMPLER",
        "GUIDER",
    )
)  # kinds of values that no number and no text is
LOWEST, HIGHEST = -(2**63), 2**64 - 1
HELD = "__weft_held__"  # a constant that is no JSON stays here; this stands for it in the graph


def gather(spec: NodeSpec, task: Task, job: RunningJob, outputs: Outputs) -> Lists:
    """The values of every input present, hidden ones too; None stands for what is not there yet.

    Raises:
        NodeError: a value is gone.
        PromiseBroken: the node was handed over behind one that gave nothing.
    """
    job.check_promises(task)
    lists = {name: _values(argument, job, outputs) for name, argument in task.arguments.items()}
    return lists | {name: [value] for name, value in hidden(spec, job, task.node).items()}


def hidden(spec: NodeSpec, job: RunningJob, node: NodeId) -> dict[str, object]:
    """What the hidden inputs receive."""
    return {entry.name: job.hidden(entry.type, node) for entry in spec.section(Section.HIDDEN)}


def calls(spec: NodeSpec, lists: Lists) -> Iterator[Keywords]:
    """The keyword arguments of each call.

    Raises:
        IndexError: one input is an empty list while others are not.
    """
    if spec.takes_lists:
        yield {name: list(values) for name, values in lists.items()}
        return
    count = max((len(values) for values in lists.values()), default=0)
    if count == 0:
        yield {}
        return
    for name, values in lists.items():
        if not values:
            raise IndexError(
                f"The input {name!r} received an empty list. "
                "Give it at least one element: look at the node that feeds it."
            )
    for index in range(count):
        yield {name: values[min(index, len(values) - 1)] for name, values in lists.items()}


def fitting(spec: NodeSpec, keywords: Keywords) -> Keywords:
    """The arguments of a built-in node's call, its numbers and texts of the kinds that it declares, no other input a number.

    Widgets give nothing else; a wire of any type may. A whole number that came as a float is one. What packs' nodes get is
    theirs to judge.

    Raises:
        NodeError: a value is of another kind; the message names its input.
    """
    if spec.module != BUILT_IN:
        return keywords
    declared = {one.name: one for one in spec.inputs_with(keywords)}
    return {name: _fitting(spec, name, declared.get(name), value) for name, value in keywords.items()}


def _fitting(spec: NodeSpec, name: str, declared: InputSpec | None, value: object) -> object:
    if declared is not None and declared.type in NO_SCALARS and isinstance(value, int | float | str):
        raise NodeError(
            f"{name} is {_said(value)}, which is no {declared.type}.", f"Connect a {declared.type} to {name}."
        )
    if declared is None or declared.choices is not None or declared.type not in KINDS:
        return value
    if isinstance(value, list) and (spec.takes_lists or declared.type == "STRING"):
        return [_fitting(spec, name, declared, entry) for entry in cast("list[object]", value)]
    if value is None or isinstance(value, Blocker):
        return value
    what, kinds = KINDS[declared.type]
    if declared.type == "INT" and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, kinds) or value != value:
        raise NodeError(
            f"{name} is {_said(value)}, which is no {what}.",
            f"Look at the node that feeds {name}, or set it on this one.",
        )
    if isinstance(value, int) and not LOWEST <= value <= HIGHEST:
        raise NodeError(f"{name} is {value}, which is too large.", f"Whole numbers go up to {HIGHEST}.")
    return value


def _said(value: object) -> str:
    """A value in a few words."""
    return repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"


def blocker_among(spec: NodeSpec, keywords: Keywords) -> Blocker | None:
    """The first blocker among the arguments (for a node that takes lists, among their elements)."""
    for value in keywords.values():
        if isinstance(value, Blocker):
            return value
        if spec.takes_lists and isinstance(value, list):
            found = next((entry for entry in cast("list[object]", value) if isinstance(entry, Blocker)), None)
            if found:
                return found
    return None


def held(token: Token) -> Json:
    """A constant that stands for a value kept here."""
    return {HELD: [token.result, token.slot]}


def _values(argument: Argument, job: RunningJob, outputs: Outputs) -> Sequence[object]:
    match argument:
        case Token():
            return outputs.get(argument)
        case Promised():
            return outputs.get(job.promised(argument))
        case Literal(value=value):
            return [_released(value, outputs)]
        case RawLink(link=link):
            return [[link.node, link.slot]]
        case Missing():
            return [None]


def _released(value: Json, outputs: Outputs) -> object:
    if isinstance(value, Mapping) and HELD in value:
        result, slot = cast("Sequence[Json]", value[HELD])
        return outputs.get(Token(str(result), int(cast("int", slot))))[0]
    return value
