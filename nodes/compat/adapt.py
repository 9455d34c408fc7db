"""A pack's class as a `Node`: each function of ours calls a method of theirs, with values converted at the border."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from nodes.compat import watched
from nodes.compat.convert import BlockerFace, inward, outward
from nodes.compat.current import entered
from nodes.compat.describe import describe
from nodes.compat.telling import told
from nodes.spec import ANY, AUTOGROW, DYNAMIC_COMBO, Blocker, Context, Json, Node, NodeSpec, Result, is_plain

MOST_INSTANCES = 512  # of one class; each node of the canvas has its own


def adapt(
    id: str, node_class: Any, display_name: str = "", module: str = "custom_nodes", version: str = ""
) -> Node:
    """Wrap a class in the first form of the protocol; see `describe`.

    Raises:
        SpecError: it is not one.
        Exception: whatever its INPUT_TYPES raises.
    """
    spec = describe(id, node_class, display_name, module, version)
    face = _Face(spec, node_class)
    return Node(
        spec,
        face.run_async if spec.is_async else face.run,
        face.needs if spec.decides_lazily else None,
        face.change_token if spec.has_change_token else None,
        face.validate if spec.validates or spec.validates_types else None,
    )


class _Face:
    """Calls one class. Its objects are kept per node of the graph, since packs keep state in them."""

    def __init__(self, spec: NodeSpec, node_class: Any) -> None:
        self._spec = spec
        self._class = node_class
        self._instances: OrderedDict[str, Any] = OrderedDict()

    def run(self, ctx: Context, **inputs: object) -> Result | Blocker:
        with entered(ctx):
            given = self._outward(told(ctx, self._spec, inputs))
            return _result(self._spec, self._method(ctx, self._class.FUNCTION)(**given))

    async def run_async(self, ctx: Context, **inputs: object) -> Result | Blocker:
        with entered(ctx):
            given = self._outward(told(ctx, self._spec, inputs))
            return _result(self._spec, await self._method(ctx, self._class.FUNCTION)(**given))

    def needs(self, ctx: Context, **inputs: object) -> Sequence[str] | None:
        with entered(ctx):
            asked = "LAZY_NORMALIZED" if hasattr(self._class, "LAZY_NORMALIZED") else "check_lazy_status"
            return self._method(ctx, asked)(**self._outward(inputs))

    def change_token(self, ctx: Context, **inputs: object) -> object:
        if not hasattr(self._class, "IS_CHANGED"):
            return watched.state(cast("Mapping[str, Json]", inputs))
        with entered(ctx):
            return self._class.IS_CHANGED(**inputs)

    def validate(self, ctx: Context, **inputs: object) -> bool | str:
        with entered(ctx):
            return self._class.VALIDATE_INPUTS(**inputs)

    def _method(self, ctx: Context, name: str) -> Callable[..., Any]:
        if ctx.node_id not in self._instances:
            self._instances[ctx.node_id] = self._class()
            if len(self._instances) > MOST_INSTANCES:
                self._instances.popitem(last=False)
        self._instances.move_to_end(ctx.node_id)
        return getattr(self._instances[ctx.node_id], name)

    def _outward(self, inputs: Mapping[str, object]) -> dict[str, object]:
        return {name: self._one_outward(name, value) for name, value in inputs.items()}

    def _one_outward(self, name: str, value: object) -> object:
        declared = self._spec.input(name) if self._spec.is_dynamic else None
        if declared is not None and declared.type in (AUTOGROW, DYNAMIC_COMBO) and isinstance(value, dict):
            brought = cast("dict[str, object]", value)
            return {inner: self._one_outward(f"{name}.{inner}", each) for inner, each in brought.items()}
        if self._spec.takes_lists and isinstance(value, list):
            return [outward(each) for each in cast("list[object]", value)]
        return outward(value)


def _result(spec: NodeSpec, returned: Any) -> Result | Blocker:
    """What a method returned: a tuple or list of outputs, a dict with ui, result and expand, or a blocker."""
    if isinstance(returned, BlockerFace):
        return Blocker(returned.message)
    if not isinstance(returned, dict):
        return Result(_outputs(spec, returned))
    parts = cast("dict[str, Any]", returned)
    expand = parts.get("expand")
    if isinstance(parts.get("result"), BlockerFace):
        outputs: tuple[object, ...] = (Blocker(parts["result"].message),) * len(spec.outputs)
    else:
        outputs = _outputs(spec, parts.get("result", ()))
    return Result(outputs, _shown(parts.get("ui")), _expansion(expand) if expand is not None else None)


def _shown(ui: Any) -> Any:
    """What a node shows. The field joins what several calls show entry by entry, so a text there comes as its letters."""
    if not isinstance(ui, Mapping):
        return ui
    said = cast("Mapping[str, Any]", ui)
    return {name: list(value) if isinstance(value, str) else value for name, value in said.items()}


def _outputs(spec: NodeSpec, given: Any) -> tuple[object, ...]:
    """One value per declared output: packs may return more, and fewer where nobody looks."""
    if given is None:
        values: list[Any] = []
    else:
        values = list(given) if isinstance(given, tuple | list) else [given]
    values = values[: len(spec.outputs)]
    made = [_inward(spec, slot, value) for slot, value in enumerate(values)]
    missing = [
        Blocker(f"{spec.id} gave no value for its output {output.name!r}.")
        for output in spec.outputs[len(made) :]
    ]
    return (*made, *missing)


def _inward(spec: NodeSpec, slot: int, value: object) -> object:
    output = spec.outputs[slot]
    if output.is_list and isinstance(value, list | tuple):
        return [inward(entry, output.type) for entry in cast("list[object]", value)]
    return inward(value, output.type)


def _expansion(graph: Mapping[str, Any]) -> Mapping[str, Json]:
    """The graph, its constants in our form."""
    return {
        id: {**node, "inputs": {name: _constant(value) for name, value in node.get("inputs", {}).items()}}
        for id, node in graph.items()
    }


def _constant(value: Any) -> Json:
    return value if is_plain(value) else cast("Json", inward(value, ANY))
