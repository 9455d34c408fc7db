"""Promoted widgets: values that a subgraph instance holds for inputs inside its definition, in both encodings."""

from dataclasses import replace

from nodes.spec import Json
from server.graph.convert.workflow import FROM_OUTSIDE, Saved, Sheet, Slot, Wire, Workflow, objects

OWN = "-1"
PREVIEW = "$$"
UNSENT = frozenset(
    {"control_after_generate", "control_filter_list", "upload", "audioUI"}
)  # widgets without a slot


def promoted_values(instance: Saved, sheet: Sheet) -> dict[str, Json]:
    """The values an instance gives to its definition's inputs, by input name."""
    stored = instance.values if isinstance(instance.values, list) else []
    entries = _proxies(instance)
    values: dict[str, Json] = {}
    if entries:
        for (node, widget), value in zip(entries, stored, strict=False):
            name = widget if node == OWN else boundary_of(sheet, node, widget)
            if name is not None:
                values[name] = value
    else:
        names = [slot.name for index, slot in enumerate(sheet.inputs) if _has_widget(sheet, index)]
        values = dict(zip(names, stored, strict=False))
    for entry in objects(instance.properties.get("proxyWidgetErrorQuarantine")):
        original = entry.get("originalEntry")
        if isinstance(original, list) and original[:1] == [OWN] and "hostValue" in entry:
            values[str(original[1])] = entry["hostValue"]
    return values


def boundary_of(sheet: Sheet, node: str, widget: str) -> str | None:
    """The definition input that is wired to a widget inside."""
    for wire in sheet.wires_from(FROM_OUTSIDE):
        fed = sheet.fed(wire)
        if (
            fed
            and fed[0].id == node
            and widget in (fed[1].widget, fed[1].name)
            and wire.origin_slot < len(sheet.inputs)
        ):
            return sheet.inputs[wire.origin_slot].name
    return None


def rewired(workflow: Workflow) -> Workflow:
    """Give every widget promoted in the old encoding a boundary input, as the field's editor does on load.

    The definition is shared: instances without a value of their own fall back on the widget inside.
    """
    definitions = dict(workflow.definitions)
    sheets = [workflow.root, *definitions.values()]
    for instance in (node for sheet in sheets for node in sheet.nodes.values() if node.type in definitions):
        for node, widget in _proxies(instance):
            definitions[instance.type] = _with_boundary(definitions[instance.type], node, widget)
    return Workflow(workflow.root, definitions)


def _proxies(instance: Saved) -> list[tuple[str, str]]:
    raw = instance.properties.get("proxyWidgets")
    pairs = (
        [entry for entry in raw if isinstance(entry, list) and len(entry) >= 2]
        if isinstance(raw, list)
        else []
    )
    return [(str(entry[0]), str(entry[1])) for entry in pairs]


def _with_boundary(sheet: Sheet, node: str, widget: str) -> Sheet:
    if node == OWN or widget in UNSENT or widget.startswith(PREVIEW):
        return sheet
    if boundary_of(sheet, node, widget) is not None:
        return sheet
    inside = sheet.nodes.get(node)
    if inside is None:
        return sheet
    if inside.type == "PrimitiveNode":
        return _primitive_replaced(sheet, inside, widget)
    slot = next((slot for slot in inside.inputs if widget in (slot.widget, slot.name)), None)
    if slot is not None and slot.link is not None:
        return sheet
    return _wired_in(sheet, inside, slot or Slot(widget, "*", None, widget))


def _wired_in(sheet: Sheet, inside: Saved, slot: Slot) -> Sheet:
    """A new boundary input, linked to one widget slot."""
    name = _free_name(slot.name, {entry.name for entry in sheet.inputs})
    wire = Wire(f"promoted-{name}-{inside.id}", FROM_OUTSIDE, len(sheet.inputs), inside.id, 0)
    linked = replace(slot, link=wire.id, widget=slot.widget or slot.name)
    others = tuple(entry for entry in inside.inputs if entry.name != slot.name)
    node = replace(inside, inputs=(*others, linked))
    return replace(
        sheet,
        nodes={**sheet.nodes, inside.id: node},
        wires={**sheet.wires, wire.id: wire},
        inputs=(*sheet.inputs, Slot(name, slot.type)),
    )


def _primitive_replaced(sheet: Sheet, primitive: Saved, widget: str) -> Sheet:
    """A promoted PrimitiveNode becomes a boundary input that feeds all its targets."""
    name = _free_name(widget, {entry.name for entry in sheet.inputs})
    index = len(sheet.inputs)
    wires = {
        id: replace(wire, origin=FROM_OUTSIDE, origin_slot=index) if wire.origin == primitive.id else wire
        for id, wire in sheet.wires.items()
    }
    nodes = {id: node for id, node in sheet.nodes.items() if id != primitive.id}
    return replace(sheet, nodes=nodes, wires=wires, inputs=(*sheet.inputs, Slot(name, "*")))


def _free_name(name: str, taken: set[str]) -> str:
    tries = (name, *(f"{name}_{number}" for number in range(1, len(taken) + 2)))
    return next(candidate for candidate in tries if candidate not in taken)


def _has_widget(sheet: Sheet, index: int) -> bool:
    for wire in sheet.wires_from(FROM_OUTSIDE, index):
        fed = sheet.fed(wire)
        if fed and fed[1].widget is not None:
            return True
    return False
