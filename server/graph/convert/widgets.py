"""Which widgets a node has, in the order in which files store their values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nodes.spec import DYNAMIC_COMBO, InputSpec, Json, NodeSpec, Section
from server.graph.convert.described import ordered
from server.graph.convert.workflow import Saved, member, objects

WIDGET_KINDS = frozenset(
    {"INT", "FLOAT", "BOOLEAN", "STRING", "COMBO", "COLOR", "BOUNDING_BOX", "CURVE", "WEBCAM", "AUDIO_RECORD"}
)
CONTROLS = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
UPLOADS = ("image_upload", "video_upload", "animated_image_upload")
VIRTUAL = frozenset({"Note", "MarkdownNote", "PrimitiveNode", "Reroute"})


@dataclass(frozen=True, slots=True)
class Widget:
    """One stored value: an input's, or (spec None) one that never reaches a prompt."""

    name: str
    spec: InputSpec | None


def widget_values(node: Saved, spec: NodeSpec) -> dict[str, Json]:
    """The value of each widget that reaches the prompt, by input name."""
    if isinstance(node.values, Mapping):
        return _by_name(node.values, spec)
    stored = list(node.values) if isinstance(node.values, list) else []
    stored = _without_forced(stored, spec)
    taken: dict[str, Json] = {}
    for index, widget in enumerate(_created(spec, stored)):
        value = stored[index] if index < len(stored) else _default(widget)
        if widget.spec is not None:
            taken[widget.name] = value
    return taken


def is_widget(spec: InputSpec) -> bool:
    """Whether the editor makes a widget for this input."""
    if spec.options.get("forceInput") or spec.section is Section.HIDDEN:
        return False
    kind = spec.options.get("widgetType") or spec.type
    return spec.choices is not None or kind in WIDGET_KINDS or kind == DYNAMIC_COMBO


def _by_name(values: Mapping[str, Json], spec: NodeSpec) -> dict[str, Json]:
    taken: dict[str, Json] = {}
    for widget in _created(spec, []):
        if widget.spec is not None:
            taken[widget.name] = values[widget.name] if widget.name in values else _default(widget)
    extra = {name: value for name, value in values.items() if name.split(".")[0] in taken}
    return {**taken, **extra}


def _created(spec: NodeSpec, stored: Sequence[Json]) -> Iterator[Widget]:
    """The widgets in creation order. Dynamic combos look at the stored value to know what follows them."""
    position = 0
    for section in (Section.REQUIRED, Section.OPTIONAL):
        for declared in spec.section(section):
            for widget in _of_input(declared, declared.name, stored, position):
                position += 1
                yield widget
        if section is Section.REQUIRED and any(_uploads(declared) for declared in spec.section(section)):
            position += 1
            yield Widget("upload", None)


def _of_input(declared: InputSpec, name: str, stored: Sequence[Json], position: int) -> Iterator[Widget]:
    if not is_widget(declared):
        return
    yield Widget(name, declared)
    position += 1
    control = declared.options.get("control_after_generate")
    if control or (control is None and declared.type == "INT" and declared.name in ("seed", "noise_seed")):
        yield Widget("control_after_generate", None)
        position += 1
        if declared.choices is not None:
            yield Widget("control_filter_list", None)
            position += 1
    if declared.type == DYNAMIC_COMBO:
        chosen = stored[position - 1] if position - 1 < len(stored) else _first_key(declared)
        for inner in _inner_inputs(declared, chosen):
            for widget in _of_input(inner, f"{name}.{inner.name}", stored, position):
                position += 1
                yield widget


def _inner_inputs(declared: InputSpec, chosen: Json) -> Iterator[InputSpec]:
    for option in objects(declared.options.get("options")):
        if option.get("key") == chosen:
            inputs = member(option, "inputs")
            for section in (Section.REQUIRED, Section.OPTIONAL):
                yield from ordered(inputs, None, section)


def _first_key(declared: InputSpec) -> Json:
    options = objects(declared.options.get("options"))
    return options[0].get("key") if options else None


def _uploads(declared: InputSpec) -> bool:
    return declared.choices is not None and any(declared.options.get(upload) for upload in UPLOADS)


def _without_forced(stored: list[Json], spec: NodeSpec) -> list[Json]:
    """Files from before 1.16 of the field's editor hold a dummy for every input that is forced to a socket."""
    declared = (*spec.section(Section.REQUIRED), *spec.section(Section.OPTIONAL))
    kinds = [entry for entry in declared if entry.choices is not None or entry.type in WIDGET_KINDS]
    forced = [entry for entry in kinds if entry.options.get("forceInput")]
    if not forced or len(stored) != len(list(_created(spec, stored))) + len(forced):
        return stored
    kept: list[Json] = []
    position = 0
    for entry in kinds:
        width = 1 if entry in forced else len(list(_of_input(entry, entry.name, stored, position)))
        if entry not in forced:
            kept += stored[position : position + width]
        position += width
    return kept + stored[position:]


def _default(widget: Widget) -> Json:
    if widget.spec is None:
        return None
    if "default" in widget.spec.options:
        return widget.spec.options["default"]
    if widget.spec.type == DYNAMIC_COMBO:
        return _first_key(widget.spec)
    if widget.spec.choices is not None:
        return widget.spec.choices.values[0] if widget.spec.choices.values else ""
    return {"INT": 0, "FLOAT": 0.0, "BOOLEAN": False}.get(widget.spec.type, "")
