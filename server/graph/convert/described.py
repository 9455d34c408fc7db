"""Node descriptions from `/object_info` JSON: what conversion needs where the nodes themselves are not installed."""

from collections.abc import Mapping, Sequence
from typing import cast

from nodes.spec import InputSpec, Json, NodeSpec, OutputSpec, Section, read_input
from server.graph.convert.workflow import JsonObject, member


def read_specs(object_info: Mapping[str, JsonObject]) -> dict[str, NodeSpec]:
    """Every description in an `/object_info` answer, by class type."""
    return {id: _spec(id, described) for id, described in object_info.items()}


def ordered(inputs: JsonObject, order: Json, section: Section) -> list[InputSpec]:
    """The inputs of one section, in `input_order` where that says, then the rest."""
    given = member(inputs, section.value)
    listed = order.get(section.value) if isinstance(order, Mapping) else None
    first = (
        [name for name in listed if isinstance(name, str) and name in given]
        if isinstance(listed, list)
        else []
    )
    names = dict.fromkeys((*first, *given))
    return [read_input(name, given[name], section) for name in names]


def _spec(id: str, described: JsonObject) -> NodeSpec:
    inputs = member(described, "input")
    order = described.get("input_order")
    specs = [spec for section in Section for spec in ordered(inputs, order, section)]
    names = cast("Sequence[str]", described.get("output_name") or ())
    lists = cast("Sequence[bool]", described.get("output_is_list") or ())
    kinds = cast("Sequence[Json]", described.get("output") or ())
    outputs = tuple(
        OutputSpec(
            "COMBO" if isinstance(kind, list) else str(kind),
            str(names[index]) if index < len(names) else "",
            bool(lists[index]) if index < len(lists) else False,
            choices=tuple(kind) if isinstance(kind, list) else None,
        )
        for index, kind in enumerate(kinds)
    )
    return NodeSpec(
        id=id,
        display_name=str(described.get("display_name") or id),
        category=str(described.get("category") or ""),
        inputs=tuple(specs),
        outputs=outputs,
        is_output=bool(described.get("output_node")),
        module=str(described.get("python_module") or "nodes"),
    )
