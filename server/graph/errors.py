"""What can be wrong with a graph, in the words of the prompt API."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodes.spec import Json
from server.graph.model import NodeId


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `type` is what clients switch on; `extra_info` says input, value, config."""

    type: str
    message: str
    details: str = ""
    extra_info: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, slots=True)
class NodeFaults:
    """All faults of one node, and the output nodes that cannot run because of them."""

    errors: tuple[Fault, ...]
    dependent_outputs: tuple[NodeId, ...]
    type: str


class PromptError(Exception):
    """The graph as a whole cannot be taken; `node_faults` may say more."""

    def __init__(self, fault: Fault, node_faults: Mapping[NodeId, NodeFaults] | None = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.node_faults = dict(node_faults or {})


def kind_of(value: Json) -> str:
    """What a JSON value is, for people."""
    names = {
        "dict": "an object",
        "list": "a list",
        "str": "text",
        "bool": "true or false",
        "NoneType": "null",
    }
    return names.get(type(value).__name__, "a number")
