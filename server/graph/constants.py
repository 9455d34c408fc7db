"""One constant against one input's declaration: coerced, or what is wrong with it."""

import math
from collections.abc import Callable, Sequence
from typing import cast

from nodes.spec import InputSpec, Json
from server.graph.errors import Fault

Lister = Callable[[str], Sequence[str]]

FALSE_WORDS = frozenset({"false", "0", "no", "off", ""})
LONG_LIST = 20


def offered(spec: InputSpec, choices: Lister) -> tuple[Json, ...]:
    """What a combo offers now: its values, then the files of its folder."""
    if spec.choices is None:
        return ()
    files = tuple(choices(spec.choices.folder)) if spec.choices.folder else ()
    return tuple(dict.fromkeys((*spec.choices.values, *files)))


def config(spec: InputSpec, choices: Lister) -> list[Json]:
    """The input as `/object_info` describes it: `[type, options]`, a bare combo with its values as type."""
    if spec.choices is None:
        return [spec.type, dict(spec.options)]
    values = list(offered(spec, choices))
    if spec.choices.bare:
        return [values, dict(spec.options)]
    return ["COMBO", {**spec.options, "options": values}]


def coerce(spec: InputSpec, value: Json) -> Json:
    """The constant as the input's type.

    Raises:
        ValueError, TypeError, OverflowError: it cannot be one.
    """
    if spec.choices is not None:
        return value
    match spec.type:
        case "INT":
            return int(cast("float", value))
        case "FLOAT":
            number = float(cast("float", value))
            if not math.isfinite(number):
                raise ValueError(f"{number} is not a finite number")
            return number
        case "STRING":
            return str(value)
        case "BOOLEAN":
            return value.strip().lower() not in FALSE_WORDS if isinstance(value, str) else bool(value)
        case _:
            return value


def not_convertible(spec: InputSpec, value: Json, error: Exception, choices: Lister) -> Fault:
    """The constant is of another type, and cannot be made one."""
    return Fault(
        "invalid_input_type",
        f"Failed to convert an input value to a {spec.type} value",
        f"{spec.name}, {value}, {error}",
        {
            "input_name": spec.name,
            "input_config": config(spec, choices),
            "received_value": _printable(value),
            "exception_message": str(error),
        },
    )


def out_of_bounds(spec: InputSpec, value: Json, choices: Lister) -> Fault | None:
    """The constant is below the minimum, above the maximum, or not among the choices."""
    if spec.choices is not None:
        return _not_in_list(spec, value, choices)
    if not isinstance(value, int | float):
        return None
    low, high = spec.options.get("min"), spec.options.get("max")
    extra: dict[str, Json] = {
        "input_name": spec.name,
        "input_config": config(spec, choices),
        "received_value": value,
    }
    if isinstance(low, int | float) and value < low:
        return Fault("value_smaller_than_min", f"Value {value} smaller than min of {low}", spec.name, extra)
    if isinstance(high, int | float) and value > high:
        return Fault("value_bigger_than_max", f"Value {value} bigger than max of {high}", spec.name, extra)
    return None


def _not_in_list(spec: InputSpec, value: Json, choices: Lister) -> Fault | None:
    if spec.options.get("remote"):
        return None
    allowed = offered(spec, choices)
    many = bool(spec.options.get("multiselect") or spec.options.get("multi_select"))
    chosen = list(cast("Sequence[Json]", value)) if many and isinstance(value, list | tuple) else [value]
    wrong = next((item for item in chosen if item not in allowed), None)
    if not any(item not in allowed for item in chosen):
        return None
    long = len(allowed) > LONG_LIST
    listed = f"(list of length {len(allowed)})" if long else str(list(allowed))
    return Fault(
        "value_not_in_list",
        "Value not in list",
        f"{spec.name}: '{wrong}' not in {listed}",
        {
            "input_name": spec.name,
            "input_config": None if long else config(spec, choices),
            "received_value": _printable(value),
        },
    )


def _printable(value: Json) -> Json:
    """NaN and infinity have no place in JSON answers."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
