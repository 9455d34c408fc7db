"""A pack's class as a `NodeSpec`: what it says of its inputs, outputs and habits, in our terms."""

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, cast

from nodes.compat.watched import may_name_a_file
from nodes.spec import ANY, Choices, InputSpec, Json, NodeSpec, OutputSpec, Section, SpecError, plain

HIDDEN_TYPES = frozenset(
    {
        "PROMPT",
        "DYNPROMPT",
        "EXTRA_PNGINFO",
        "UNIQUE_ID",
        "AUTH_TOKEN_COMFY_ORG",
        "API_KEY_COMFY_ORG",
        "EXECUTION_LIST",
        "COMFY_USAGE_SOURCE",
    }
)
NOBODY = "weft: no input is called this"


def describe(id: str, node_class: Any, display_name: str, module: str, version: str = "") -> NodeSpec:
    """Read a class in the first form of the protocol (INPUT_TYPES, RETURN_TYPES, FUNCTION).

    Args:
        version: of the pack's code; empty: that of the class's module.

    Raises:
        SpecError: it is not one.
        Exception: whatever its INPUT_TYPES raises.
    """
    function = getattr(node_class, getattr(node_class, "FUNCTION", ""), None)
    if not callable(function):
        raise SpecError(f"{id}: its FUNCTION names no method.")
    declared = node_class.INPUT_TYPES()
    checks = _parameters(getattr(node_class, "VALIDATE_INPUTS", None))
    inputs, is_output = inputs_of(declared), bool(getattr(node_class, "OUTPUT_NODE", False))
    reads_files = not is_output and any(map(may_name_a_file, inputs))
    return NodeSpec(
        id=id,
        display_name=str(plain(display_name or id)),
        category=str(plain(getattr(node_class, "CATEGORY", "sd"))),
        description=_text(getattr(node_class, "DESCRIPTION", "")),
        inputs=inputs,
        outputs=tuple(_outputs(node_class)),
        is_output=is_output,
        takes_lists=bool(getattr(node_class, "INPUT_IS_LIST", False)),
        takes_anything=_takes_anything(declared) or bool(getattr(node_class, "ACCEPT_ALL_INPUTS", False)),
        idempotent=not getattr(node_class, "NOT_IDEMPOTENT", False),
        validates=tuple(name for name in checks if name != "input_types"),
        validates_types="input_types" in checks,
        has_change_token=hasattr(node_class, "IS_CHANGED") or reads_files,
        decides_lazily=hasattr(node_class, "check_lazy_status"),
        is_async=inspect.iscoroutinefunction(function),
        deprecated=bool(getattr(node_class, "DEPRECATED", False)),
        experimental=bool(getattr(node_class, "EXPERIMENTAL", False)),
        dev_only=bool(getattr(node_class, "DEV_ONLY", False)),
        calls_paid_service=bool(getattr(node_class, "API_NODE", False)),
        search_aliases=tuple(str(plain(alias)) for alias in getattr(node_class, "SEARCH_ALIASES", ())),
        version=version or _version(node_class),
        module=module,
        extra=_extra(node_class),
    )


def _extra(node_class: Any) -> dict[str, Json]:
    """What newer classes say of themselves and nobody but the canvas heeds."""
    said: dict[str, Json] = {}
    if getattr(node_class, "HAS_INTERMEDIATE_OUTPUT", False):
        said["has_intermediate_output"] = True
    if category := getattr(node_class, "ESSENTIALS_CATEGORY", None):
        said["essentials_category"] = str(plain(category))
    if any(matches := getattr(node_class, "OUTPUT_MATCHTYPES", ())):
        said["output_matchtypes"] = plain(matches)
    return said


def inputs_of(declared: Mapping[str, Any]) -> tuple[InputSpec, ...]:
    """The inputs that an INPUT_TYPES declares: required, optional, hidden."""
    return tuple(_inputs(declared))


def kind_of(declared: object) -> str:
    """A socket type as text; what never differs from anything is "*"."""
    if not isinstance(declared, str):
        return ANY
    differs: object = declared != NOBODY  # packs have types that equal everything
    return str(plain(declared)) if differs else ANY


def _inputs(declared: Mapping[str, Any]) -> Iterator[InputSpec]:
    for section in (Section.REQUIRED, Section.OPTIONAL):
        for name, form in _entries(declared, section):
            yield _input(name, form, section)
    for name, form in _entries(declared, Section.HIDDEN):
        kind = form[0] if isinstance(form, list | tuple) and form else form
        if isinstance(kind, str) and kind in HIDDEN_TYPES:
            yield InputSpec(name, str(plain(kind)), Section.HIDDEN)


def _entries(declared: Mapping[str, Any], section: Section) -> list[tuple[str, Any]]:
    entries = declared[section.value] if section.value in declared else {}  # noqa: SIM401 - packs' dicts have odd `get`s
    return [(str(plain(name)), form) for name, form in dict(entries or {}).items()]


def _input(name: str, form: Any, section: Section) -> InputSpec:
    parts: Sequence[Any] = form if isinstance(form, tuple | list) else (form,)
    kind = parts[0] if parts else ANY
    options = (
        cast("dict[str, Json]", plain(parts[1])) if len(parts) > 1 and isinstance(parts[1], Mapping) else {}
    )
    if isinstance(kind, list | tuple):
        return InputSpec(name, "COMBO", section, Choices(_values(kind)), options)
    if kind_of(kind) == "COMBO" and isinstance(options.get("options"), list):
        values = cast("list[Json]", options.pop("options"))
        return InputSpec(name, "COMBO", section, Choices(tuple(values), bare=False), options)
    return InputSpec(name, kind_of(kind), section, None, options)


def _outputs(node_class: Any) -> Iterator[OutputSpec]:
    kinds = getattr(node_class, "RETURN_TYPES", ())
    names = _listed(getattr(node_class, "RETURN_NAMES", ()))
    lists = _listed(getattr(node_class, "OUTPUT_IS_LIST", ()))
    tips = _listed(getattr(node_class, "OUTPUT_TOOLTIPS", ()))
    for slot, kind in enumerate([kinds] if isinstance(kinds, str) else kinds):
        combo = isinstance(kind, list | tuple)
        text = "COMBO" if combo else kind_of(kind)
        name = str(plain(names[slot])) if slot < len(names) else text
        is_list = bool(lists[slot]) if slot < len(lists) else False
        tip = _text(tips[slot]) if slot < len(tips) else ""
        yield OutputSpec(text, name, is_list, tip, _values(kind) if combo else None)


def _values(offered: Sequence[object]) -> tuple[Json, ...]:
    return tuple(plain(value) for value in offered)


def _listed(given: Any) -> Sequence[Any]:
    return (given,) if isinstance(given, str | bool) else tuple(given or ())


def _takes_anything(declared: Mapping[str, Any]) -> bool:
    """Packs take undeclared inputs by a dict that says it holds every name."""
    return any(
        section.value in declared and NOBODY in _never_none(declared[section.value])
        for section in (Section.REQUIRED, Section.OPTIONAL)
    )


def _never_none(entries: Any) -> Any:
    return {} if entries is None else entries


def _parameters(function: Any) -> tuple[str, ...]:
    """Names a check asks for; "*" for all."""
    if not callable(function):
        return ()
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return ("*", *(parameter.name for parameter in parameters if parameter.name == "input_types"))
    names = [parameter.name for parameter in parameters]
    return tuple(names[1:] if names[:1] in (["self"], ["cls"], ["s"]) else names)


def _text(value: object) -> str:
    return inspect.cleandoc(str(plain(value))) if value else ""


def _version(node_class: Any) -> str:
    """A hash of the source of the class's module; empty where there is none."""
    try:
        module = inspect.getmodule(node_class)
        return _module_version(module) if module is not None else _hash(inspect.getsource(node_class))
    except (OSError, TypeError):
        return ""


@cache
def _module_version(module: ModuleType) -> str:
    """Read once: a pack may hold hundreds of classes in one file."""
    return _hash(inspect.getsource(module))


def _hash(source: str) -> str:
    return hashlib.sha256(source.encode(errors="replace")).hexdigest()[:16]
