"""Inputs that bring others: a combo whose choice decides what follows it, a group that grows with what is linked.

In prompts, what such an input brings is called `name.inner`. A node receives all of it as one dict under the input's own
name. Descriptions and their words are the field's.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from nodes.spec.sockets import Choices, InputSpec, Json, Marker, Section

AUTOGROW = "COMFY_AUTOGROW_V3"
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
DYNAMIC = frozenset({AUTOGROW, DYNAMIC_COMBO})
BETWEEN = "."

_ANY_CHOICE = object()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Autogrow(Marker):
    """A group of equal inputs, `prefix0`, `prefix1`... or `names`. The node receives a dict of those that are there.

    Attributes:
        slot: what each of them is.
        minimum, maximum: how many must be there, and how many may be (with `names`, as many as these).
    """

    slot: Marker
    prefix: str = ""
    names: tuple[str, ...] = field(default=(), kw_only=True)
    minimum: int = field(default=1, kw_only=True)
    maximum: int = field(default=10, kw_only=True)

    def kind(self) -> str:
        return AUTOGROW

    def specific(self) -> dict[str, Json]:
        template: dict[str, Json] = {"input": _written({self.prefix or "input": self.slot})}
        if self.names:
            return {"template": {**template, "names": list(self.names), "min": self.minimum}}
        return {
            "template": {**template, "prefix": self.prefix, "min": self.minimum, "max": self.maximum},
        }


@dataclass(frozen=True, slots=True)
class DynamicCombo(Marker):
    """A combo whose choice brings further inputs. The node receives a dict: its own name holds the choice.

    An inner input's default stands in its marker's `extra`. Inner combos offer values, no folder's files.
    """

    options: Mapping[str, Mapping[str, Marker]]

    def kind(self) -> str:
        return DYNAMIC_COMBO

    def specific(self) -> dict[str, Json]:
        return {
            "options": [{"key": key, "inputs": _written(inner)} for key, inner in self.options.items()],
        }


def read_input(name: str, form: Json, section: Section) -> InputSpec:
    """One input as descriptions have it, `[type]` or `[type, options]`; a list as type is a combo."""
    parts = _list(form) if isinstance(form, list | tuple) else [form]
    options = dict(_object(parts[1])) if len(parts) > 1 else {}
    kind = parts[0] if parts else "*"
    if isinstance(kind, list | tuple):
        return InputSpec(name, "COMBO", section, Choices(tuple(_list(kind))), options)
    if kind == "COMBO":
        values = tuple(_list(options.pop("options", None)))
        return InputSpec(name, "COMBO", section, Choices(values, bare=False), options)
    return InputSpec(name, str(kind), section, None, options)


def possible(declared: InputSpec) -> Iterator[InputSpec]:
    """All inputs that a dynamic one may bring, by their full names; the same name comes once for each choice."""
    inner = _slots(declared) if declared.type == AUTOGROW else _of_options(declared, _ANY_CHOICE)
    for entry in inner:
        yield entry
        if entry.type in DYNAMIC:
            yield from possible(entry)


def present(inputs: Iterable[InputSpec], given: Mapping[str, object]) -> Iterator[InputSpec]:
    """The inputs that a node has with what it is given: of a group, those that must be or are there.

    The group itself is none of them: nothing feeds it.
    """
    for declared in inputs:
        if declared.type != AUTOGROW:
            yield declared
        if declared.type == DYNAMIC_COMBO:
            if declared.name in given:
                yield from present(_of_options(declared, given[declared.name]), given)
        elif declared.type == AUTOGROW:
            slots = _slots(declared)
            yield from present(
                (slot for slot in slots if slot.section is Section.REQUIRED or slot.name in given), given
            )


def combo_keys(declared: InputSpec) -> tuple[Json, ...]:
    """What a dynamic combo offers."""
    return tuple(option.get("key") for option in _objects(declared.options.get("options")))


def slot_names(declared: InputSpec) -> tuple[str, ...]:
    """The full names of a group's inputs, in order."""
    return tuple(slot.name for slot in _slots(declared))


def nested(inputs: Iterable[InputSpec], flat: Mapping[str, T]) -> dict[str, object]:
    """Arguments as a node receives them: what a dynamic input brings is in one dict under its name."""
    dynamic = [declared for declared in inputs if declared.type in DYNAMIC]
    groups = tuple(declared.name + BETWEEN for declared in dynamic)
    found: dict[str, object] = {name: value for name, value in flat.items() if not name.startswith(groups)}
    for declared in dynamic:
        if declared.type == AUTOGROW or declared.name in flat:
            found[declared.name] = _gathered(declared, flat)
    return found


def _gathered(declared: InputSpec, flat: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    if declared.type == DYNAMIC_COMBO:
        choice = flat[declared.name]
        found[_last(declared.name)] = choice
        inner = _of_options(declared, _first(choice))
    else:
        inner = _slots(declared)
    for entry in inner:
        if entry.type == AUTOGROW or (entry.type in DYNAMIC and entry.name in flat):
            found[_last(entry.name)] = _gathered(entry, flat)
        elif entry.name in flat:
            found[_last(entry.name)] = flat[entry.name]
    return found


def _first(choice: object) -> object:
    """A node that takes lists is given its choice in one."""
    return next(iter(cast("list[object]", choice)), None) if isinstance(choice, list) else choice


def _of_options(declared: InputSpec, choice: object) -> Iterator[InputSpec]:
    """What follows a choice."""
    for option in _objects(declared.options.get("options")):
        if choice is _ANY_CHOICE or option.get("key") == choice:
            yield from _entries(option.get("inputs"), declared.name)


def _slots(declared: InputSpec) -> tuple[InputSpec, ...]:
    """The inputs of a group, required as far as its minimum goes."""
    said = _object(declared.options.get("template"))
    first = next(_entries(said.get("input"), declared.name), None)
    if first is None:
        return ()
    least, most = _whole(said.get("min"), 1), _whole(said.get("max"), 10)
    counted = [f"{said.get('prefix', '')}{index}" for index in range(most)]
    names = [str(name) for name in _list(said.get("names"))] or counted
    needed = declared.section is Section.REQUIRED and first.section is Section.REQUIRED
    return tuple(
        InputSpec(
            f"{declared.name}{BETWEEN}{name}",
            first.type,
            Section.REQUIRED if needed and index < least else Section.OPTIONAL,
            first.choices,
            first.options,
        )
        for index, name in enumerate(names)
    )


def _entries(inputs: Json, outer: str) -> Iterator[InputSpec]:
    for section in (Section.REQUIRED, Section.OPTIONAL):
        for name, form in _object(_object(inputs).get(section.value)).items():
            yield read_input(f"{outer}{BETWEEN}{name}", form, section)


def _written(inner: Mapping[str, Marker]) -> dict[str, Json]:
    """Inner inputs as descriptions have them."""
    found: dict[str, dict[str, Json]] = {}
    for name, marker in inner.items():
        spec = marker.to_spec(name, None, has_default=False)
        form: list[Json] = [spec.type, dict(spec.options)]
        if spec.choices is not None:
            values = list(spec.choices.values)
            form = [values, form[1]] if spec.choices.bare else ["COMBO", {**spec.options, "options": values}]
        found.setdefault(spec.section.value, {})[name] = form
    return dict(found.items())


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else dict[str, Json]()


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else list[Json]()


def _objects(value: Json) -> Iterator[Mapping[str, Json]]:
    return (entry for entry in _list(value) if isinstance(entry, Mapping))


def _whole(value: Json, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float) else otherwise


def _last(name: str) -> str:
    return name.rpartition(BETWEEN)[2]
