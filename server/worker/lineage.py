"""Which nodes a node depends on: its ancestors in the running graph, made ones too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, cast

from nodes.spec import Json, Lineage, Maker, NodeSpec, is_plain
from server.graph.model import BareList, Link, NodeId
from server.graph.parse import parse_input

SpecOf: TypeAlias = Callable[[str], NodeSpec | None]
FIELDS_SEEDS = ("seed", "noise_seed")  # seeds by their name alone, as the field reads packs' inputs


class Nodes(Protocol):
    """The prompt, with the nodes made on the way."""

    def has_node(self, node_id: NodeId) -> bool:
        """Whether there is such a node."""
        ...

    def get_node(self, node_id: NodeId) -> Json:
        """Its prompt JSON."""
        ...

    def get_parent_node_id(self, node_id: NodeId) -> NodeId | None:
        """The node that made it; None for nodes of the prompt."""
        ...

    def made_by(self) -> Mapping[NodeId, Sequence[NodeId]]:
        """The nodes that each running node made, by their maker."""
        ...


def lineage(job: str, nodes: Nodes, spec_of: SpecOf, node: NodeId, call: int = 0) -> Lineage:
    """Where what `node` is given comes from.

    Lazy inputs count whether they were asked for or not, and of a node that became a graph all of that graph does.
    So the answer is the same whether results were computed now or remembered.
    """
    makers = (
        _maker(id, nodes.get_node(id), spec_of) for id in sorted(_ancestors(nodes, node), key=_in_order)
    )
    return Lineage(job, node, call, tuple(maker for maker in makers if maker is not None))


def _ancestors(nodes: Nodes, node: NodeId) -> set[NodeId]:
    made = nodes.made_by()
    found: set[NodeId] = set()
    waiting = [node]
    while waiting:
        id = waiting.pop()
        if id in found or not nodes.has_node(id):
            continue
        found.add(id)
        waiting += (link.node for link in _links(nodes.get_node(id)))
        waiting += made.get(id, ())
        parent = nodes.get_parent_node_id(id)
        if parent is not None:
            waiting.append(parent)
    return found


def _in_order(id: NodeId) -> tuple[bool, int, str]:
    """Numbers by size, then all other ids by letter."""
    is_number = id.isascii() and id.isdigit()
    return (not is_number, int(id) if is_number else 0, id)


def _inputs(raw: Json) -> Mapping[str, object]:
    inputs = raw.get("inputs") if isinstance(raw, Mapping) else None
    return cast("Mapping[str, object]", inputs) if isinstance(inputs, Mapping) else {}


def _links(raw: Json) -> Iterator[Link]:
    for value in _inputs(raw).values():
        found = parse_input(cast("Json", value)) if isinstance(value, list) else None
        if isinstance(found, Link):
            yield found


def _maker(id: NodeId, raw: Json, spec_of: SpecOf) -> Maker | None:
    type = raw.get("class_type") if isinstance(raw, Mapping) else None
    if not isinstance(type, str):
        return None
    # A value in a made node that is no JSON came out of another node, which is among the ancestors itself.
    plain = {name: cast("Json", value) for name, value in _inputs(raw).items() if is_plain(value)}
    parsed = {name: parse_input(value) for name, value in plain.items()}
    constants = {
        name: list(value.value) if isinstance(value, BareList) else value
        for name, value in parsed.items()
        if not isinstance(value, Link)
    }
    spec = spec_of(type)
    if spec is None:
        return Maker(id, type, constants, known=False)
    return Maker(
        id, type, constants, _folders(spec, constants), _seeds(spec, constants), spec.module, spec.version
    )


def _folders(spec: NodeSpec, constants: Mapping[str, Json]) -> dict[str, str]:
    """Inputs that name a file of a folder: not those that stand at a value the combo offers beside its files."""
    found: dict[str, str] = {}
    for declared in spec.inputs:
        value = constants.get(declared.name)
        if not isinstance(value, str):
            continue
        choices = declared.choices
        if choices is not None and choices.folder:
            if value not in choices.values:
                found[declared.name] = choices.folder
        elif declared.options.get("image_upload"):  # how packs say that they read an input picture
            found[declared.name] = "input"
    return found


def _seeds(spec: NodeSpec, constants: Mapping[str, Json]) -> tuple[str, ...]:
    return tuple(
        declared.name
        for declared in spec.inputs
        if declared.name in constants
        and (declared.options.get("control_after_generate") or declared.name in FIELDS_SEEDS)
    )
