"""A node's description as `/object_info` gives it."""

from collections.abc import Mapping
from functools import cache

from nodes.spec import Json, NodeSpec, OutputSpec, Replacement, Section
from server.api.listings import ReplacementJson
from server.graph.constants import Lister, config
from server.graph.replace import stand_ins

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


def replacements(specs: Mapping[str, NodeSpec]) -> dict[str, list[ReplacementJson]]:
    """Which nodes stand in for nodes that are gone, as `/node_replacements` gives it."""
    return {
        old: [_replacement(id, replacement) for id, replacement in found]
        for old, found in stand_ins(specs).items()
    }


def _replacement(id: str, replacement: Replacement) -> ReplacementJson:
    inputs, outputs = replacement.inputs, replacement.outputs
    renamed = [{"new_id": new, "old_id": old} for new, old in (inputs or {}).items()]
    added = [{"new_id": new, "set_value": value} for new, value in replacement.values.items()]
    moved = [{"new_idx": new, "old_idx": old} for old, new in (outputs or {}).items()]
    return {
        "new_node_id": id,
        "old_node_id": replacement.old,
        "old_widget_ids": None if replacement.widgets is None else list(replacement.widgets),
        "input_mapping": None if inputs is None else [*renamed, *added],
        "output_mapping": None if outputs is None else [*moved],
    }


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
