"""Sockets and widgets: what travels on a wire, and what a person sets on the node.

A node's function declares each input with one marker inside `Annotated`:

    seed: Annotated[int, Int(minimum=0, maximum=2**64 - 1, seed=True)] = 0
    model: Annotated[Model, Socket("MODEL")]

The option names that leave this module (`min`, `multiline`, ...) are the field's, since files, packs and front ends
name them so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"

ANY = "*"
MATCH = "COMFY_MATCHTYPE_V3"  # takes what it is linked to, and hands that type on
WIDGET_TYPES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})


class Section(Enum):
    """Where an input stands in a node's description."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a combo offers: fixed values, the files of a folder, or both (values first).

    Attributes:
        values: offered as they stand.
        folder: key of a workspace folder ("checkpoints", "input"...) whose files are offered; read at each listing.
        bare: described as a bare list (the form most files and packs know) rather than as `"COMBO"` with options.
    """

    values: tuple[Json, ...] = ()
    folder: str = ""
    bare: bool = True


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a node, as it travels between worker, server and canvas.

    Attributes:
        name: the input's name in workflow files.
        type: socket type ("MODEL"), widget type ("INT"), several by comma, or "*".
        section: required, optional or hidden.
        choices: for combos, what is offered.
        options: the field's options: default, min, max, step, round, multiline, lazy, rawLink, forceInput, tooltip...
    """

    name: str
    type: str
    section: Section = Section.REQUIRED
    choices: Choices | None = None
    options: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def lazy(self) -> bool:
        """Whether the node says itself when it needs this input."""
        return bool(self.options.get("lazy"))

    @property
    def raw_link(self) -> bool:
        """Whether the node wants the link itself, not what comes through it."""
        return bool(self.options.get("rawLink"))

    @property
    def is_widget(self) -> bool:
        """Whether a person sets it on the node (and not only through a wire)."""
        return (self.choices is not None or self.type in WIDGET_TYPES) and not self.options.get("forceInput")


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output of a node: its socket type (or the choices of a combo), name, and whether it gives a list."""

    type: str
    name: str = ""
    is_list: bool = False
    tooltip: str = ""
    choices: tuple[Json, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What every input marker can say. `to_spec` turns it into an `InputSpec`."""

    optional: bool = False
    lazy: bool = False
    raw_link: bool = False
    force_input: bool = False
    advanced: bool = False
    tooltip: str = ""
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def kind(self) -> str:
        """The input's type on the wire."""
        raise NotImplementedError

    def specific(self) -> dict[str, Json]:
        """Options only this kind of input has."""
        return {}

    def choices(self) -> Choices | None:
        """What a combo offers; None for everything else."""
        return None

    def to_spec(self, name: str, default: Json, has_default: bool) -> InputSpec:
        """The declared input, under the parameter's name and with its default."""
        options: dict[str, Json] = {}
        if has_default and default is not None:
            options["default"] = default
        options |= self.specific()
        flags = {
            "lazy": self.lazy,
            "rawLink": self.raw_link,
            "forceInput": self.force_input,
            "advanced": self.advanced,
        }
        options |= {flag: True for flag, on in flags.items() if on}
        if self.tooltip:
            options["tooltip"] = self.tooltip
        options |= dict(self.extra)
        section = Section.OPTIONAL if self.optional else Section.REQUIRED
        return InputSpec(name, self.kind(), section, self.choices(), options)


@dataclass(frozen=True, slots=True)
class Socket(Marker):
    """An input that only a wire can feed."""

    type: str

    def kind(self) -> str:
        return self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class Int(Marker):
    """A whole number. `seed` adds the choice of what happens to it after a run (fixed, increment, randomize)."""

    minimum: int | None = None
    maximum: int | None = None
    step: int | None = None
    seed: bool = False

    def kind(self) -> str:
        return "INT"

    def specific(self) -> dict[str, Json]:
        options = _ranged(self.minimum, self.maximum, self.step)
        return options | {"control_after_generate": True} if self.seed else options


@dataclass(frozen=True, slots=True, kw_only=True)
class Float(Marker):
    """A number. `round` is the multiple to which the canvas rounds what is typed; False for no rounding."""

    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    round: float | bool | None = None

    def kind(self) -> str:
        return "FLOAT"

    def specific(self) -> dict[str, Json]:
        options = _ranged(self.minimum, self.maximum, self.step)
        return options if self.round is None else options | {"round": self.round}


@dataclass(frozen=True, slots=True, kw_only=True)
class String(Marker):
    """Text. `dynamic` text may hold `{a|b}` choices and comments, resolved by the canvas before a run."""

    multiline: bool = False
    dynamic: bool = False
    placeholder: str = ""

    def kind(self) -> str:
        return "STRING"

    def specific(self) -> dict[str, Json]:
        options: dict[str, Json] = {}
        if self.multiline:
            options["multiline"] = True
        if self.dynamic:
            options["dynamicPrompts"] = True
        if self.placeholder:
            options["placeholder"] = self.placeholder
        return options


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean(Marker):
    """A switch, with words for on and off."""

    label_on: str = ""
    label_off: str = ""

    def kind(self) -> str:
        return "BOOLEAN"

    def specific(self) -> dict[str, Json]:
        labels = {"label_on": self.label_on, "label_off": self.label_off}
        return {name: label for name, label in labels.items() if label}


@dataclass(frozen=True, slots=True)
class Combo(Marker):
    """One of several values: fixed ones, or the files of a workspace folder."""

    values: tuple[Json, ...] = ()
    folder: str = field(default="", kw_only=True)
    bare: bool = field(default=True, kw_only=True)

    def kind(self) -> str:
        return "COMBO"

    def choices(self) -> Choices | None:
        return Choices(self.values, self.folder, self.bare)


@dataclass(frozen=True, slots=True)
class Hidden:
    """An input nobody wires: "PROMPT", "EXTRA_PNGINFO", "UNIQUE_ID", "DYNPROMPT"..., filled in at run time."""

    type: str


@dataclass(frozen=True, slots=True)
class Out:
    """One output, inside `Annotated` in a function's return type. An empty name means the type's own."""

    type: str
    name: str = ""
    is_list: bool = field(default=False, kw_only=True)
    tooltip: str = field(default="", kw_only=True)


def compatible(produced: str, wanted: str) -> bool:
    """Whether an output of type `produced` may feed an input of type `wanted`.

    Equal types, "*" on either side, or unions (by comma) that share a member.
    """
    if produced == wanted or ANY in (produced, wanted) or MATCH in (produced, wanted):
        return True
    return bool(_members(produced) & _members(wanted))


def _members(kind: str) -> frozenset[str]:
    return frozenset(part.strip() for part in kind.split(","))


def _ranged(minimum: float | None, maximum: float | None, step: float | None) -> dict[str, Json]:
    bounds = {"min": minimum, "max": maximum, "step": step}
    return {name: bound for name, bound in bounds.items() if bound is not None}
