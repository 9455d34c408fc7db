"""What is wrong with the inputs that bring others: a choice that is none, a slot that a group does not have.

The type of these faults is the field's; what its server checks is not known to us.
"""

from collections.abc import Iterator, Mapping

from nodes.spec import AUTOGROW, DYNAMIC_COMBO, InputSpec, Json, NodeSpec, combo_keys, slot_names
from server.graph import constants
from server.graph.constants import Lister
from server.graph.errors import Fault
from server.graph.model import BareList, Input, Link


def faults(spec: NodeSpec, inputs: Mapping[str, Input], choices: Lister) -> Iterator[tuple[str, Fault]]:
    """Each by the name of the input that has it."""
    for declared in (*spec.inputs, *spec.inputs_with(inputs)):
        if declared.type == AUTOGROW:
            for name, message in _of_group(declared, inputs):
                yield name, _fault(declared, name, message, inputs[name], choices)
        elif message := _of_combo(declared, inputs):
            yield declared.name, _fault(declared, declared.name, message, inputs[declared.name], choices)


def _of_combo(declared: InputSpec, inputs: Mapping[str, Input]) -> str:
    """What is wrong; empty if nothing is."""
    if declared.type != DYNAMIC_COMBO or declared.name not in inputs:
        return ""
    value = inputs[declared.name]
    if isinstance(value, Link):
        return "its choice decides which inputs the node has, so it must be set, not linked"
    return "" if value in combo_keys(declared) else f"'{value}' not in {list(combo_keys(declared))}"


def _of_group(declared: InputSpec, inputs: Mapping[str, Input]) -> Iterator[tuple[str, str]]:
    slots = slot_names(declared)
    if declared.name in inputs:
        yield declared.name, f"it is a group: give its inputs, {', '.join(slots[:2])}..."
    for name in inputs:
        if name.startswith(f"{declared.name}.") and name not in slots:
            yield (
                name,
                f"'{declared.name}' has {len(slots)} inputs, {slots[0]} to {slots[-1]}"
                if slots
                else "it has none",
            )


def _fault(declared: InputSpec, name: str, message: str, value: Input, choices: Lister) -> Fault:
    extra: dict[str, Json] = {"input_name": name, "input_config": constants.config(declared, choices)}
    if not isinstance(value, Link | BareList):
        extra["received_value"] = value
    return Fault("invalid_dynamic_input", "Invalid dynamic input", f"{name}: {message}", extra)
