"""Built-in nodes as the classes that packs call, derive from and look up: `nodes.VAEDecode().decode(vae, samples)`."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from nodes.compat import current
from nodes.compat.built_in_methods import METHODS
from nodes.compat.convert import inward, outward
from nodes.compat.names.comfy_api.latest.node import ComfyNode
from nodes.spec import Blocker, Choices, Context, InputSpec, Json, Node, NodeError, Result, Section

Lister: TypeAlias = Callable[[str], Sequence[str]]

EXECUTE = "execute"


class Outputs(tuple[Any, ...]):
    """What a call of a newer built-in node gives: a tuple that knows its parts by the newer form's names too."""

    __slots__ = ()

    @property
    def args(self) -> tuple[Any, ...]:
        """The outputs."""
        return tuple(self)

    @property
    def result(self) -> tuple[Any, ...] | None:
        """The outputs; None where there are none."""
        return tuple(self) or None


def class_of(node: Node, choices: Lister, *, newer: bool = False) -> type[Any]:
    """A class in the first form of the protocol that runs a built-in node.

    Its method is called as the field calls it, and `execute` too; arguments by place (in the order of the inputs) or by
    name. It runs as part of the node that calls it: progress, Stop and files are that one's.

    Args:
        choices: lists what combos offer of a folder key.
        newer: the field has it in the newer form.
    """
    spec = node.spec
    method, *order = METHODS.get(spec.id, EXECUTE).split()
    run = _method(node, order)
    parts: dict[str, Any] = {
        "__doc__": spec.description,
        "__module__": "nodes",
        "INPUT_TYPES": classmethod(lambda _cls: _input_types(node, choices)),
        "RETURN_TYPES": tuple(output.type for output in spec.outputs),
        "RETURN_NAMES": tuple(output.name or output.type for output in spec.outputs),
        "OUTPUT_IS_LIST": tuple(output.is_list for output in spec.outputs),
        "INPUT_IS_LIST": spec.takes_lists,
        "OUTPUT_NODE": spec.is_output,
        "CATEGORY": spec.category,
        "DESCRIPTION": spec.description,
        "FUNCTION": method,
        EXECUTE: staticmethod(run),
        method: staticmethod(run),
    }
    parts |= _lists_of(node)
    if newer:
        return type(spec.id, (_Newer,), parts | {"NODE": spec.id})
    return type(spec.id, (), parts)


class _Newer(ComfyNode):
    """A node that the field has in the newer form: a class of a pack that derives from it describes itself anew."""

    def __init_subclass__(cls, **more: Any) -> None:
        if "NODE" in vars(cls):
            return
        super().__init_subclass__(**more)
        if "define_schema" in vars(cls):
            for name, said in vars(ComfyNode).items():
                if name.isupper() and name not in vars(cls):
                    setattr(cls, name, said)


def _method(node: Node, order: Sequence[str]) -> Callable[..., Any]:
    named = [entry for entry in node.spec.inputs if entry.section is not Section.HIDDEN]
    ordered = [*order, *(entry.name for entry in named if entry.name not in order)]
    defaults = {entry.name: entry.options["default"] for entry in named if "default" in entry.options}

    def run(*args: Any, **more: Any) -> Any:
        call = current.running()
        if call is None:
            raise NodeError(
                f"{node.spec.id} was called while no node runs.",
                "Tell the pack's author: built-in nodes can be called from a node's own function alone.",
            )
        if len(args) > len(ordered):
            raise TypeError(f"{node.spec.id} takes {len(ordered)} arguments, {len(args)} were given.")
        given = {**defaults, **dict(zip(ordered, args, strict=False)), **more}
        hidden = {entry.name for entry in node.spec.section(Section.HIDDEN)}
        taken = {
            entry.name: inward(given[entry.name], entry.type)
            for entry in node.spec.inputs_with(given)
            if entry.name in given and entry.name not in hidden
        }
        return _given(node, _awaited(node.run(call.context, **taken, **_hidden(node, call.context))))

    return run


def _hidden(node: Node, context: Context) -> dict[str, object]:
    """What hidden inputs get: those of the node that calls."""
    values: Mapping[str, object] = {
        "PROMPT": context.prompt,
        "EXTRA_PNGINFO": context.extra.get("extra_pnginfo") if context.extra else None,
        "UNIQUE_ID": context.node_id,
    }
    return {entry.name: values.get(entry.type) for entry in node.spec.section(Section.HIDDEN)}


def _awaited(value: object) -> object:
    """The value itself, or what it comes to when it is waited for."""
    if not inspect.isawaitable(value):
        return value
    made: list[object] = []

    async def wait() -> None:
        made.append(await value)

    import threading

    thread = threading.Thread(target=lambda: asyncio.run(wait()))
    thread.start()
    thread.join()
    return made[0]


def _given(node: Node, returned: object) -> Any:
    """What a pack gets: the outputs in its own forms; of nodes that show something, a dict with `ui` and `result`."""
    if isinstance(returned, Blocker):
        return Outputs(outward(returned) for _ in node.spec.outputs)
    if isinstance(returned, Result):
        outputs = Outputs(outward(value) for value in returned.outputs)
        return {"ui": dict(returned.ui), "result": outputs} if returned.ui is not None else outputs
    if len(node.spec.outputs) == 1:
        returned = (returned,)
    return Outputs(_each(value) for value in cast("tuple[object, ...]", returned))


def _each(value: object) -> object:
    return (
        [outward(entry) for entry in cast("list[object]", value)]
        if isinstance(value, list)
        else outward(value)
    )


def _input_types(node: Node, choices: Lister) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for section in Section:
        entries = node.spec.section(section)
        if section is Section.HIDDEN:
            made |= {section.value: {entry.name: entry.type for entry in entries}} if entries else {}
        elif entries or section is Section.REQUIRED:
            made[section.value] = {entry.name: _declared(entry, choices) for entry in entries}
    return made


def _declared(entry: InputSpec, choices: Lister) -> tuple[Any, ...]:
    kind: Any = _offered(entry.choices, choices) if entry.choices is not None else entry.type
    return (kind, dict(entry.options)) if entry.options else (kind,)


def _offered(offer: Choices, choices: Lister) -> list[Json]:
    return [*offer.values, *(choices(offer.folder) if offer.folder else ())]


def _lists_of(node: Node) -> dict[str, Any]:
    """Lists that packs read off classes: `upscale_methods`, `crop_methods`."""
    found = {"upscale_method": "upscale_methods", "crop": "crop_methods"}
    return {
        found[entry.name]: list(entry.choices.values)
        for entry in node.spec.inputs
        if entry.name in found and entry.choices is not None
    }
