"""`@node` reads a typed function into a frozen `NodeSpec` and the `Node` that runs it."""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar, get_args, get_origin, get_type_hints

from nodes.spec import dynamic
from nodes.spec.context import Context
from nodes.spec.errors import SpecError
from nodes.spec.replacement import Replacement
from nodes.spec.sockets import Hidden, InputSpec, Json, Marker, Out, OutputSpec, Section

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """What a node declares: a description that travels; the function stays in the worker.

    Attributes:
        id: the class type in prompts ("KSampler").
        inputs: in the order of the canvas: required, optional, hidden.
        is_output: it does something to the world (saves, shows), so it starts a run.
        takes_lists: called once with whole lists instead of once per element.
        takes_anything: receives every input present in the prompt, declared or not.
        idempotent: same inputs, same outputs; if not, its key holds the node's id.
        validates: names of inputs the node checks itself; ("*",) for all.
        validates_types: the node also judges the types of its links.
        has_change_token: what it read may change without its inputs changing (files); the worker is asked.
        decides_lazily: the node is asked which lazy inputs it needs.
        is_async: it waits rather than computes; others may run meanwhile.
        replaces: nodes that are gone and for which this one stands in.
        loop: it opens or closes a loop; an end's input of type "LOOP" is linked to its start.
        version: changes when the node's code changes; part of every key.
        module: where it comes from, as the field names it ("nodes", "custom_nodes.x").
        late: inputs whose values are not there at first: lazy ones, and those that want the link itself.
        tied_to_id: whether the result belongs to one node id alone.
        is_dynamic: some input brings others, see `dynamic`.
    """

    id: str
    display_name: str = ""
    category: str = ""
    description: str = ""
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    is_output: bool = False
    takes_lists: bool = False
    takes_anything: bool = False
    idempotent: bool = True
    validates: tuple[str, ...] = ()
    validates_types: bool = False
    has_change_token: bool = False
    decides_lazily: bool = False
    is_async: bool = False
    loop: Literal["", "start", "end"] = ""
    deprecated: bool = False
    experimental: bool = False
    dev_only: bool = False
    calls_paid_service: bool = False
    search_aliases: tuple[str, ...] = ()
    replaces: tuple[Replacement, ...] = ()
    version: str = ""
    module: str = "nodes"
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    late: frozenset[str] = field(init=False, repr=False, compare=False)
    tied_to_id: bool = field(init=False, repr=False, compare=False)
    is_dynamic: bool = field(init=False, repr=False, compare=False)
    _by_name: Mapping[str, InputSpec] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        brought = [
            spec for outer in self.inputs if outer.type in dynamic.DYNAMIC for spec in dynamic.possible(outer)
        ]
        every = (*self.inputs, *brought)
        late = frozenset(spec.name for spec in every if spec.lazy or spec.raw_link)
        tied = not self.idempotent or any(spec.type == "UNIQUE_ID" for spec in self.inputs)
        object.__setattr__(self, "late", late)
        object.__setattr__(self, "tied_to_id", tied)
        object.__setattr__(self, "is_dynamic", any(spec.type in dynamic.DYNAMIC for spec in self.inputs))
        object.__setattr__(self, "_by_name", {spec.name: spec for spec in reversed(every)})

    def input(self, name: str) -> InputSpec | None:
        """The input of that name, hidden ones and those that others may bring included; None if there is none."""
        return self._by_name.get(name)

    def inputs_with(self, given: Mapping[str, object]) -> Sequence[InputSpec]:
        """The inputs that the node has when it is given these: of what others may bring, what they do bring."""
        return tuple(dynamic.present(self.inputs, given)) if self.is_dynamic else self.inputs

    def arguments(self, flat: Mapping[str, T]) -> Mapping[str, T | object]:
        """Values by input name as the node's functions receive them: what an input brings is in a dict under its name."""
        return dynamic.nested(self.inputs, flat) if self.is_dynamic else flat

    def section(self, section: Section) -> tuple[InputSpec, ...]:
        """The inputs of one section, in order."""
        return tuple(spec for spec in self.inputs if spec.section is section)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A value that switches off what it feeds. With a message, the person is told why."""

    message: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a node returns when it has more to give than outputs.

    Attributes:
        outputs: one per declared output; with `expand`, a value or a link `[node id, slot]` into the new graph.
        ui: what the canvas shows on the node: lists by name ("images", "text"...).
        expand: prompt JSON of nodes that compute the outputs; None for an ordinary result.
    """

    outputs: tuple[object, ...] = ()
    ui: Mapping[str, Sequence[Json]] | None = None
    expand: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A spec and the functions behind it; lives in a worker.

    Every function gets the `Context` first and the inputs by keyword.
    An input that is not there yet, or is fed by a link, arrives as None in `needs`, `change_token` and `validate`.

    Attributes:
        run: computes. Returns a `Result`, a `Blocker` (for every output), or the outputs: with exactly one, the value
            itself (a tuple too is then that value); with more, a tuple of them.
        needs: which lazy inputs are needed, by name; asked again until it names none that is missing.
        change_token: equal tokens mean that what the node reads has not changed.
        validate: True, or what is wrong. Gets the inputs that `spec.validates` names, and with `validates_types` also
            `input_types`: by name, the type of what feeds each linked input.
    """

    spec: NodeSpec
    run: Callable[..., object]
    needs: Callable[..., Sequence[str] | None] | None = None
    change_token: Callable[..., object] | None = None
    validate: Callable[..., bool | str] | None = None


def node(
    id: str,
    *,
    name: str = "",
    category: str = "",
    output: bool = False,
    idempotent: bool = True,
    takes_lists: bool = False,
    needs: Callable[..., Sequence[str] | None] | None = None,
    change_token: Callable[..., object] | None = None,
    validate: Callable[..., bool | str] | None = None,
    loop: Literal["", "start", "end"] = "",
    dev_only: bool = False,
    deprecated: bool = False,
    experimental: bool = False,
    search_aliases: tuple[str, ...] = (),
    replaces: tuple[Replacement, ...] = (),
    module: str = "nodes",
) -> Callable[[Callable[..., object]], Node]:
    """Declare a built-in node: the function's parameters are its inputs, its return type its outputs.

    The first parameter takes the `Context`. Each other parameter is `Annotated` with one marker of `sockets`; its
    Python default is the widget's default. The return type is one `Annotated[T, Out(...)]`, a tuple of them, or (no
    outputs) None or `Result`.
    The docstring's first paragraph is what the canvas shows as help.

    Args:
        needs, change_token, validate: see `Node`; their first parameter takes the `Context` too.
        loop: see `NodeSpec`.

    Raises:
        SpecError: a parameter has no marker, or two outputs cannot be told.
    """

    def read(function: Callable[..., object]) -> Node:
        hints = inspect.get_annotations(function)
        if any(isinstance(hint, str) for hint in hints.values()):
            hints = get_type_hints(function, include_extras=True)
        checks = _parameters(validate) if validate else ()
        spec = NodeSpec(
            id=id,
            display_name=name or id,
            category=category,
            description=_first_paragraph(function),
            inputs=_inputs(id, function, hints),
            outputs=_outputs(id, hints.get("return")),
            is_output=output,
            takes_lists=takes_lists,
            idempotent=idempotent,
            validates=checks,
            has_change_token=change_token is not None,
            decides_lazily=needs is not None,
            is_async=inspect.iscoroutinefunction(function),
            loop=loop,
            dev_only=dev_only,
            deprecated=deprecated,
            experimental=experimental,
            search_aliases=search_aliases,
            replaces=replaces,
            version=_version(function),
            module=module,
        )
        return Node(spec, function, needs, change_token, validate)

    return read


def _inputs(id: str, function: Callable[..., object], hints: Mapping[str, object]) -> tuple[InputSpec, ...]:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or hints.get(parameters[0].name) is not Context:
        raise SpecError(f"Node {id}: the first parameter of {function.__name__} must be annotated `Context`.")
    specs = [_input(id, parameter, hints.get(parameter.name)) for parameter in parameters[1:]]
    order = list(Section)
    return tuple(sorted(specs, key=lambda spec: order.index(spec.section)))


def _input(id: str, parameter: inspect.Parameter, hint: object) -> InputSpec:
    has_default = parameter.default is not inspect.Parameter.empty
    for marker in _metadata(hint):
        if isinstance(marker, Marker):
            return marker.to_spec(parameter.name, parameter.default if has_default else None, has_default)
        if isinstance(marker, Hidden):
            return InputSpec(parameter.name, marker.type, Section.HIDDEN)
    raise SpecError(
        f"Node {id}: input {parameter.name!r} has no marker; annotate it with Socket, Int, Combo..."
    )


def _outputs(id: str, hint: object) -> tuple[OutputSpec, ...]:
    if hint is None or hint is type(None) or hint is Result:
        return ()
    parts = get_args(hint) if get_origin(hint) is tuple else (hint,)
    return tuple(_output(id, part) for part in parts)


def _output(id: str, hint: object) -> OutputSpec:
    for marker in _metadata(hint):
        if isinstance(marker, Out):
            return OutputSpec(marker.type, marker.name or marker.type, marker.is_list, marker.tooltip)
    raise SpecError(f"Node {id}: the return type {hint} has no `Out` marker.")


def _metadata(hint: object) -> tuple[object, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _parameters(function: Callable[..., object]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)[1:]


def _first_paragraph(function: Callable[..., object]) -> str:
    return " ".join((inspect.getdoc(function) or "").split("\n\n")[0].split())


def _version(function: Callable[..., object]) -> str:
    """A hash of the defining module's source: an edited node no longer matches what its old code computed."""
    source = inspect.getsource(inspect.getmodule(function) or function)
    return hashlib.sha256(source.encode()).hexdigest()[:16]
