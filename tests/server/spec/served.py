"""A worker behind a real server, for what EXECUTOR.md says of HTTP: nodes with typed inputs that are checked."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from nodes.spec import (
    Autogrow,
    Choices,
    Combo,
    Context,
    DynamicCombo,
    Float,
    InputSpec,
    Int,
    Json,
    Node,
    NodeSpec,
    OutputSpec,
    Registry,
    Result,
    Section,
    Socket,
)
from server.worker.parts import Services, WorkerParts
from tests.server.spec.kinds import World, nodes, socket

FACTORY = "tests.server.spec.served:build"
LONG = tuple(f"choice {index}" for index in range(25))


def give(ctx: Context, **inputs: object) -> object:
    return next(iter(inputs.values()), None)


def describe(ctx: Context, **inputs: object) -> Result:
    """Shows each input with its type in Python."""
    return Result(ui={name: [f"{type(value).__name__}: {value}"] for name, value in sorted(inputs.items())})


def low_enough(ctx: Context, a: int | None = None, b: int | None = None) -> bool | str:
    if a == 13:
        return False
    return True if a is None or b is None or a <= b else f"{a} is more than {b}"


def all_known(ctx: Context, **inputs: object) -> bool | str:
    return True if inputs.get("steps") == 500 else "steps must be 500"


def unable(ctx: Context, a: int = 0) -> bool:
    raise LookupError(f"no entry {a}")


def only_images(ctx: Context, input_types: Mapping[str, str]) -> bool | str:
    return True if input_types.get("image") in ("IMAGE", "MASK") else f"not {input_types.get('image')}"


def number(name: str, type: str, section: Section = Section.OPTIONAL, **options: Json) -> InputSpec:
    return InputSpec(name, type, section, None, options)


def combo(name: str, *values: Json, **options: Json) -> InputSpec:
    return InputSpec(name, "COMBO", Section.OPTIONAL, Choices(values), options)


def grown(ctx: Context, numbers: Mapping[str, object]) -> Result:
    return Result(ui={"text": [f"{name}={value}" for name, value in numbers.items()]})


def chosen(ctx: Context, how: Mapping[str, object]) -> Result:
    return Result(ui={"text": [f"{name}={value!r}" for name, value in how.items()]})


def thick_enough(ctx: Context, how: Mapping[str, object] | None = None) -> bool | str:
    return "too thin" if how and how.get("width") == 13 else True


HOW = DynamicCombo(
    {
        "by size": {"width": Int(minimum=1, maximum=64), "crop": Combo(("no", "center"))},
        "by factor": {"factor": Float(maximum=8.0)},
        "like": {"match": Socket("IMAGE,MASK"), "width": Float(optional=True)},
    }
)


TYPED = (
    number("steps", "INT", min=1, max=100, default=20),
    number("cfg", "FLOAT", min=0.0, max=30.0),
    number("text", "STRING"),
    number("on", "BOOLEAN"),
    combo("sampler", "euler", "heun"),
    combo("long", *LONG),
    combo("far", "only here", remote={"route": "/somewhere"}),
    combo("many", "a", "b", "c", multiselect=True),
    number("model", "MODEL"),
)


def checked() -> Iterator[Node]:
    """Nodes whose inputs have types and bounds, and nodes that check them themselves."""

    def make(
        id: str, inputs: tuple[InputSpec, ...], outputs: tuple[str, ...] = ("INT",), **more: object
    ) -> NodeSpec:
        produced = tuple(OutputSpec(kind, kind) for kind in outputs)
        return NodeSpec(id=id, inputs=inputs, outputs=produced, **more)  # type: ignore[arg-type]

    steps, required = TYPED[0], Section.REQUIRED
    yield Node(make("Sample", TYPED, ("LATENT",)), give)
    yield Node(make("Describe", TYPED, (), is_output=True, module="custom_nodes.describe"), describe)
    yield Node(make("Save", (number("latent", "LATENT", required), TYPED[0]), (), is_output=True), describe)
    yield Node(make("Image", (), ("IMAGE",)), give)
    yield Node(make("GiveText", (), ("STRING",)), give)
    yield Node(make("Union", (number("either", "IMAGE, MASK", required),), (), is_output=True), describe)
    yield Node(make("GiveUnion", (), ("MASK,LATENT",)), give)
    yield Node(make("GiveAny", (), ("*",)), give)
    yield Node(make("Match", (number("same", "COMFY_MATCHTYPE_V3"),), ("COMFY_MATCHTYPE_V3",)), give)
    yield Node(make("TakeCombo", (combo("sampler", "euler"),), (), is_output=True), describe)
    combo_output = OutputSpec("COMBO", "sampler", choices=("euler", "heun"))
    yield Node(NodeSpec(id="GiveCombo", outputs=(combo_output,)), give)
    two = (number("a", "INT", max=50), number("b", "INT"))
    fails = make("ChecksAndFails", (number("a", "INT"),), is_output=True, validates=("a",))
    yield Node(fails, give, validate=unable)
    yield Node(make("Checks", two, is_output=True, validates=("a", "b")), give, validate=low_enough)
    yield Node(make("ChecksAll", (steps,), is_output=True, validates=("*",)), give, validate=all_known)
    typed = make("ChecksTypes", (number("image", "IMAGE"),), (), is_output=True, validates_types=True)
    yield Node(typed, describe, validate=only_images)
    numbers = Autogrow(Int(), "n", minimum=2, maximum=12).to_spec("numbers", None, has_default=False)
    yield Node(make("Grows", (numbers,), (), is_output=True), grown)
    how = HOW.to_spec("how", None, has_default=False)
    yield Node(make("Brings", (how,), (), is_output=True, validates=("how",)), chosen, validate=thick_enough)
    yield Node(make("Anything", (socket("a"),), (), is_output=True, takes_anything=True), describe)


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker of a server."""
    from server.app import WorkerSettings, build_workspace

    assert isinstance(settings, WorkerSettings)
    del services
    registry = Registry([*nodes(World(Path())), *checked()])
    return WorkerParts(registry=registry, files=build_workspace(settings.workspace))
