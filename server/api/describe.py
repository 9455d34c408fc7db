"""A node's description as `/object_info` gives it."""

from collections.abc import Mapping
from functools import cache

from nodes.spec import Json, NodeSpec, OutputSpec, Section
from server.graph.constants import Lister, config

# In these words packs and the field's own nodes say more of themselves; they stand last, as there.
FLAGS = (("deprecated", "deprecated"), ("experimental", "experimental"), ("dev_only", "dev_only"))


def describe_all(specs: Mapping[str, NodeSpec], choices: Lister) -> dict[str, dict[str, Json]]:
    """All nodes by class type. Each folder is listed once."""
    listed = cache(choices)
    return {id: describe(spec, listed) for id, spec in specs.items()}


def describe(spec: NodeSpec, choices: Lister) -> dict[str, Json]:
    """One node. `choices` lists the files of a folder key."""
    described: dict[str, Json] = {
        "input": _inputs(spec, choices),
        "input_order": _order(spec),
        "is_input_list": spec.takes_lists,
        "output": [_output(output) for output in spec.outputs],
        "output_is_list": [output.is_list for output in spec.outputs],
        "output_name": [output.name or output.type for output in spec.outputs],
        "name": spec.id,
        "display_name": spec.display_name or spec.id,
        "description": spec.description,
        "python_module": spec.module,
        "category": spec.category or "sd",
        "output_node": spec.is_output,
        "has_intermediate_output": bool(spec.extra.get("has_intermediate_output", False)),
        "search_aliases": list(spec.search_aliases),
    }
    if any(output.tooltip for output in spec.outputs):
        described["output_tooltips"] = [output.tooltip for output in spec.outputs]
    described |= {word: True for attribute, word in FLAGS if getattr(spec, attribute)}
    if spec.calls_paid_service:
        described["api_node"] = True
    return described | dict(spec.extra)


def _inputs(spec: NodeSpec, choices: Lister) -> dict[str, Json]:
    found: dict[str, Json] = {
        Section.REQUIRED.value: {
            entry.name: config(entry, choices) for entry in spec.section(Section.REQUIRED)
        }
    }
    if optional := spec.section(Section.OPTIONAL):
        found[Section.OPTIONAL.value] = {entry.name: config(entry, choices) for entry in optional}
    if hidden := spec.section(Section.HIDDEN):
        found[Section.HIDDEN.value] = {entry.name: entry.type for entry in hidden}
    return found


def _order(spec: NodeSpec) -> dict[str, Json]:
    ordered = {section: [entry.name for entry in spec.section(section)] for section in Section}
    return {
        section.value: names for section, names in ordered.items() if names or section is Section.REQUIRED
    }


def _output(output: OutputSpec) -> Json:
    return list(output.choices) if output.choices is not None else output.type
