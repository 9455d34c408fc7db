"""Everything that is wrong with a graph, found at once, each fault with its node and input."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from nodes.spec import ANY, InputSpec, Json, NodeSpec, Section, compatible
from server.graph import constants, dynamic
from server.graph.constants import Lister
from server.graph.errors import Fault, NodeFaults
from server.graph.host import Call, Complaint
from server.graph.loops import loop_faults
from server.graph.model import BareList, Graph, GraphNode, Input, Link, NodeId
from server.graph.outcome import Failure
from server.graph.parse import missing_node_type
from server.graph.topology import ancestors, cycles

Specs = Mapping[str, NodeSpec]
CUSTOM = "Custom validation failed for node"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may run, and why the rest may not.

    Attributes:
        graph: with its constants coerced to their declared types.
        targets: output nodes that are valid with all they depend on.
        error: set when nothing may run.
        node_faults: by node; may be non-empty though `error` is None (some outputs dropped).
    """

    graph: Graph
    targets: tuple[NodeId, ...]
    error: Fault | None = None
    node_faults: Mapping[NodeId, NodeFaults] = field(default_factory=dict[NodeId, NodeFaults])


def calls(graph: Graph, specs: Specs) -> tuple[Call, ...]:
    """The questions to ask of nodes that check their own inputs."""
    return tuple(
        call(graph, node, specs)
        for node in graph
        if (spec := specs.get(node.type)) and (spec.validates or spec.validates_types)
    )


def call(graph: Graph, node: GraphNode, specs: Specs) -> Call:
    """A question about one node: its constants as declared, and the types of what feeds its links."""
    spec = specs.get(node.type)
    given: dict[str, Json] = {}
    types: dict[str, str] = {}
    declared = {entry.name: entry for entry in spec.inputs_with(node.inputs)} if spec else {}
    for name, value in node.inputs.items():
        if isinstance(value, Link):
            types[name] = _produced(graph, value, specs) or "*"
        else:
            given[name] = _coerced_or_raw(declared.get(name), value)
    return Call(node.id, node.type, given, types)


def validate(
    graph: Graph,
    specs: Specs,
    choices: Lister,
    *,
    only: Collection[NodeId] | None = None,
    complaints: Sequence[Complaint] = (),
) -> Verdict:
    """Judge a graph.

    Args:
        choices: lists the files of a folder key, for combos.
        only: run these output nodes alone.
        complaints: what nodes said of their own inputs (see `calls`).
    """
    unknown = [missing_node_type(node.id, node.type, node.title) for node in graph if node.type not in specs]
    wanted = [
        node.id
        for node in graph
        if node.type in specs and specs[node.type].is_output and (only is None or node.id in only)
    ]
    if unknown:
        return Verdict(graph, (), unknown[0])
    if not wanted:
        return Verdict(graph, (), Fault("prompt_no_outputs", "Prompt has no outputs"))
    return _Judge(graph, specs, choices, complaints).judge(wanted)


def revalidate(
    graph: Graph, before: Verdict, changed: Collection[NodeId], specs: Specs, choices: Lister
) -> Verdict | None:
    """Judge a graph that was found valid when some of its nodes had other constants.

    Args:
        before: of the graph as it was: no faults, of the same nodes, links, targets, specs and listings.
        changed: nodes that have other constants now.

    Returns:
        The verdict; None if something is wrong now, which `validate` says in full.
    """
    return _Judge(graph, specs, choices, ()).rejudge(before, changed)


class _Judge:
    """One validation: collects faults by node and the coerced graph."""

    def __init__(self, graph: Graph, specs: Specs, choices: Lister, complaints: Sequence[Complaint]) -> None:
        self._graph = graph
        self._specs = specs
        self._choices = choices
        self._complaints = complaints
        self._faults: dict[NodeId, list[Fault]] = {}
        self._coerced: dict[NodeId, GraphNode] = dict(graph.nodes)
        self._cut = False  # whether links were left out

    def judge(self, wanted: Sequence[NodeId]) -> Verdict:
        concerned, targets = ancestors(self._graph, wanted), set(wanted)
        for node in self._graph:
            if node.id in concerned:
                self._check_node(node, node.id in targets)
        self._check_cycles(concerned)
        self._check_loops(concerned)
        self._take_complaints(concerned, targets)
        faulty = {id for id, faults in self._faults.items() if faults}
        if not faulty:
            return Verdict(self._graph_now(), tuple(wanted))
        reach = {target: ancestors(self._graph, [target]) for target in wanted}
        valid = tuple(target for target in wanted if not (reach[target] & faulty))
        node_faults = {
            id: NodeFaults(
                tuple(self._faults[id]),
                tuple(target for target in wanted if id in reach[target]),
                self._graph[id].type,
            )
            for id in self._graph.nodes
            if id in faulty
        }
        error = None if valid else _all_failed(node_faults)
        return Verdict(self._graph_now(), valid, error, node_faults)

    def rejudge(self, before: Verdict, changed: Collection[NodeId]) -> Verdict | None:
        """The verdict after a change of constants; None if that did harm."""
        concerned, targets = ancestors(before.graph, before.targets), set(before.targets)
        self._coerced = {**before.graph.nodes, **{id: self._graph[id] for id in changed}}
        for id in changed:
            if id in concerned:
                self._check_node(self._graph[id], id in targets)
        if self._faults:
            return None
        return Verdict(Graph(self._coerced, before.graph.wiring), before.targets)

    def _graph_now(self) -> Graph:
        return Graph(self._coerced) if self._cut else Graph(self._coerced, self._graph.wiring)

    def _check_node(self, node: GraphNode, is_output: bool) -> None:
        spec = self._specs[node.type]
        inputs = node.inputs
        coerced: dict[str, Input] = {}
        declared_here = 0
        wrong = dict(dynamic.faults(spec, inputs, self._choices)) if spec.is_dynamic else {}
        for fault in wrong.values():
            self._fault(node, fault)
        for declared in spec.inputs_with(inputs):
            if declared.section is Section.HIDDEN or declared.name in wrong:
                continue
            if declared.name not in inputs:
                if declared.section is Section.REQUIRED:
                    self._fault(node, self._missing(declared))
                continue
            declared_here += 1
            value = inputs[declared.name]
            if isinstance(value, BareList):
                self._fault(node, self._bad_link(declared, value))
            elif isinstance(value, Link):
                self._check_link(node, spec, declared, value, is_output)
            else:
                coerced[declared.name] = self._check_constant(node, spec, declared, value)
        dead = self._dead_links(node, spec, is_output) if declared_here < len(inputs) else set[str]()
        if coerced or dead:
            kept = {name: value for name, value in inputs.items() if name not in dead}
            self._coerced[node.id] = GraphNode(node.id, node.type, {**kept, **coerced}, node.title)

    def _dead_links(self, node: GraphNode, spec: NodeSpec, is_output: bool) -> set[str]:
        """Undeclared inputs that are linked to nowhere: a fault if the node would get them, else nobody's concern."""
        dead = {
            name: link
            for name, link in node.links()
            if spec.input(name) is None and _produced(self._graph, link, self._specs) is None
        }
        for name, link in dead.items() if spec.takes_anything else ():
            self._fault(node, self._dangling(InputSpec(name, ANY), link, is_output))
        self._cut = self._cut or bool(dead)
        return set(dead)

    def _check_link(
        self, node: GraphNode, spec: NodeSpec, declared: InputSpec, link: Link, is_output: bool
    ) -> None:
        produced = _produced(self._graph, link, self._specs)
        if produced is None:
            self._fault(node, self._dangling(declared, link, is_output))
        elif not spec.validates_types and not compatible(produced, declared.type):
            self._fault(node, self._mismatch(declared, link))

    def _check_constant(self, node: GraphNode, spec: NodeSpec, declared: InputSpec, value: Json) -> Json:
        try:
            coerced = constants.coerce(declared, value)
        except (ValueError, TypeError, OverflowError) as error:
            self._fault(node, constants.not_convertible(declared, value, error, self._choices))
            return value
        if declared.name not in spec.validates and "*" not in spec.validates:
            fault = constants.out_of_bounds(declared, coerced, self._choices)
            if fault:
                self._fault(node, fault)
        return coerced

    def _check_cycles(self, concerned: Collection[NodeId]) -> None:
        for ring in cycles(self._graph, concerned):
            path = " -> ".join(f"{id} ({self._graph[id].type})" for id in (*ring, ring[0]))
            extra: dict[str, Json] = {"node_id": ring[0], "cycle_nodes": list(ring)}
            self._fault(
                self._graph[ring[0]], Fault("dependency_cycle", "Dependency cycle detected", path, extra)
            )

    def _check_loops(self, concerned: Collection[NodeId]) -> None:
        for found in loop_faults(self._graph, self._specs, concerned):
            extra: dict[str, Json] = {"loop_error_type": found.kind, "node_id": found.node}
            fault = Fault("custom_validation_failed", CUSTOM, f"{found.kind} - {found.message}", extra)
            self._fault(self._graph[found.node], fault)

    def _take_complaints(self, concerned: Collection[NodeId], targets: Collection[NodeId]) -> None:
        for complaint in self._complaints:
            if complaint.node not in concerned:
                continue
            node = self._graph[complaint.node]
            declared = self._specs[node.type].input(complaint.input)
            value = node.inputs.get(complaint.input)
            extra: dict[str, Json] = {"input_name": complaint.input}
            if declared:
                extra["input_config"] = constants.config(declared, self._choices)
            if not isinstance(value, Link | BareList):
                extra["received_value"] = value
            if complaint.raised:
                self._fault(node, _check_failed(complaint.raised, extra, is_output=node.id in targets))
                continue
            details = f"{complaint.input} - {complaint.message}" if complaint.message else complaint.input
            self._fault(node, Fault("custom_validation_failed", CUSTOM, details, extra))

    def _fault(self, node: GraphNode, fault: Fault) -> None:
        self._faults.setdefault(node.id, []).append(fault)

    def _missing(self, declared: InputSpec) -> Fault:
        return Fault(
            "required_input_missing", "Required input is missing", declared.name, self._info(declared)
        )

    def _bad_link(self, declared: InputSpec, value: BareList) -> Fault:
        return Fault(
            "bad_linked_input",
            "Bad linked input, must be a length-2 list of [node_id, slot_index]",
            declared.name,
            {**self._info(declared), "received_value": list(value.value)},
        )

    def _dangling(self, declared: InputSpec, link: Link, is_output: bool) -> Fault:
        if link.node not in self._graph:
            message = f"Input {declared.name} is linked to node '{link.node}', which is not in the prompt"
        else:
            message = f"Input {declared.name} is linked to output {link.slot} of node '{link.node}', which has fewer"
        extra: dict[str, Json] = {
            **self._info(declared),
            "exception_message": message,
            "exception_type": "KeyError" if link.node not in self._graph else "IndexError",
            "traceback": [],
            "linked_node": [link.node, link.slot],
        }
        return Fault(_kind_raised(is_output), message, repr(link.node), extra)

    def _mismatch(self, declared: InputSpec, link: Link) -> Fault:
        output = self._specs[self._graph[link.node].type].outputs[link.slot]
        received: Json = output.type if output.choices is None else list(output.choices)
        wanted = constants.config(declared, self._choices)[0]
        return Fault(
            "return_type_mismatch",
            "Return type mismatch between linked nodes",
            f"{declared.name}, received_type({received}) mismatch input_type({wanted})",
            {**self._info(declared), "received_type": received, "linked_node": [link.node, link.slot]},
        )

    def _info(self, declared: InputSpec) -> dict[str, Json]:
        return {"input_name": declared.name, "input_config": constants.config(declared, self._choices)}


def _kind_raised(is_output: bool) -> str:
    """The type of a fault that is an exception, on a node whose result is asked for or on one before it."""
    return "exception_during_validation" if is_output else "exception_during_inner_validation"


def _check_failed(raised: Failure, extra: Mapping[str, Json], *, is_output: bool) -> Fault:
    """A node's own check of its inputs raised."""
    told: dict[str, Json] = {
        **extra,
        "exception_message": raised.message,
        "exception_type": raised.kind,
        "traceback": list(raised.traceback),
    }
    message = f"{raised.kind} while the node checked its inputs"
    return Fault(_kind_raised(is_output), message, raised.message, told)


def _produced(graph: Graph, link: Link, specs: Specs) -> str | None:
    """The type on a link; None if its node or slot does not exist. A combo output counts as COMBO."""
    if link.node not in graph or graph[link.node].type not in specs:
        return None
    outputs = specs[graph[link.node].type].outputs
    if not 0 <= link.slot < len(outputs):
        return None
    output = outputs[link.slot]
    return "COMBO" if output.choices is not None else output.type


def _coerced_or_raw(declared: InputSpec | None, value: Input) -> Json:
    if isinstance(value, BareList):
        return list(value.value)
    if isinstance(value, Link):
        return None
    if declared is None:
        return value
    try:
        return constants.coerce(declared, value)
    except (ValueError, TypeError, OverflowError):
        return value


def _all_failed(node_faults: Mapping[NodeId, NodeFaults]) -> Fault:
    lines = [
        f"{fault.message}: {fault.details}" if fault.details else fault.message
        for faults in node_faults.values()
        for fault in faults.errors
    ]
    return Fault("prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(lines))
