"""A worker with small nodes and no torch: what the server's own tests run on."""

import io
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from PIL import Image

from nodes.spec import (
    Boolean,
    Combo,
    Context,
    Float,
    Int,
    NodeError,
    Out,
    Place,
    Preview,
    Registry,
    Replacement,
    Result,
    Socket,
    String,
    node,
)
from server.worker.parts import Factory, Lasting, PackReport, Services, WorkerParts
from server.worker.saves import Journal, Saves

FACTORY = "tests.server.small_nodes:build"
Text = Annotated[str, Out("STRING")]


@node("Say", category="test")
def say(ctx: Context, text: Annotated[str, String(multiline=True)] = "hello") -> Text:
    """Give a text."""
    return text


@node("Number", category="test")
def number(
    ctx: Context,
    value: Annotated[int, Int(minimum=0, maximum=10)] = 1,
    weight: Annotated[float, Float(minimum=-1.0, maximum=1.0, step=0.1)] = 0.5,
    on: Annotated[bool, Boolean()] = True,
) -> Annotated[int, Out("INT")]:
    """Give a number."""
    return value if on else round(value * weight)


@node("Show", category="test", output=True, idempotent=False)
def show(ctx: Context, value: Annotated[object, Socket("*")]) -> Result:
    """Show a value."""
    return Result((), {"text": [str(value)]})


@node("Shape", category="test", output=True, idempotent=False)
def shape(
    ctx: Context,
    curve: Annotated[object, Socket("CURVE")],
    box: Annotated[object, Socket("BOUNDING_BOX")],
) -> Result:
    """Say which curve and which rectangle it was given."""
    return Result((), {"text": [repr(curve), repr(box)]})


@node("Save", name="Save a square", category="test", output=True, idempotent=False)
def save(
    ctx: Context,
    side: Annotated[int, Int(minimum=1, maximum=64)] = 4,
    filename_prefix: Annotated[str, String()] = "square",
) -> Result:
    """Save a green square."""
    slot = ctx.files.reserve(Place.OUTPUT, filename_prefix, ".png")
    with slot.writing() as path:
        Image.new("RGB", (side, side), (0, 128, 0)).save(path, "PNG")
    return Result((), {"images": [slot.reference()]})


@node("SlowSave", category="test", output=True)
def slow_save(
    ctx: Context,
    text: Annotated[str, String()] = "",
    count: Annotated[int, Int()] = 2,
    seconds: Annotated[float, Float()] = 0.0,
) -> Result:
    """Save files of a line each, half of a line at a time."""
    shown = []
    for index in range(count):
        slot = ctx.files.reserve(Place.OUTPUT, "slow", ".txt")
        with slot.writing() as path, path.open("w") as file:
            file.write("half ")
            file.flush()
            _witness(ctx, f"half {text} {index}")
            time.sleep(seconds)
            file.write(f"whole {text} {index}")
        shown.append(slot.reference())
    return Result((), {"images": shown})


@node("Steps", category="test", idempotent=False)
def steps(
    ctx: Context,
    total: Annotated[int, Int(minimum=1, maximum=100000)] = 3,
    seconds: Annotated[float, Float()] = 0.0,
    label: Annotated[str, String()] = "",
) -> Text:
    """Take steps, with a preview each."""
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, "JPEG")
    for index in range(total):
        time.sleep(seconds)
        ctx.progress(index + 1, total, Preview(out.getvalue()))
    ctx.say("all steps done")
    return "done"


@node("Boom", category="test")
def boom(ctx: Context, text: Annotated[str, String()] = "") -> Text:
    """Fail."""
    raise NodeError("It broke.", "Mend it.")


@node("Kill", category="test")
def kill(ctx: Context, text: Annotated[str, String()] = "") -> Text:
    """End the worker."""
    os.kill(os.getpid(), signal.SIGKILL)
    return text


def _even(ctx: Context, value: int | None = None) -> bool | str:
    return True if value is None or value % 2 == 0 else "it must be even"


@node("Even", category="test", validate=_even)
def even(ctx: Context, value: Annotated[int, Int()] = 0) -> Annotated[int, Out("INT")]:
    """Take an even number."""
    return value


@node("Pick", category="test")
def pick(
    ctx: Context, image: Annotated[str, Combo(folder="input")], mode: Annotated[str, Combo(("a", "b"))] = "a"
) -> Text:
    """Pick a file."""
    return image


@node("PickLater", category="test")
def pick_later(
    ctx: Context,
    image: Annotated[str, Combo(bare=False, extra={"remote": {"route": "/internal/files/output"}})],
) -> Text:
    """Pick a file of those that a route offers."""
    return image


@node("Note", category="test", output=True, idempotent=False)
def note(
    ctx: Context, text: Annotated[str, String()] = "", seconds: Annotated[float, Float()] = 0.0
) -> Result:
    """Write a line into `ran.txt` of the workspace: a witness of what ran, and how often."""
    time.sleep(seconds)
    _witness(ctx, text)
    return Result((), {"text": [text]})


def _witness(ctx: Context, line: str) -> None:
    with (ctx.resource(Path) / "ran.txt").open("a") as file:
        file.write(f"{line}\n")


@node("KillServer", category="test", output=True)
def kill_server(ctx: Context, label: Annotated[str, String()] = "") -> Result:
    """End the server that started this worker, at once."""
    _witness(ctx, f"begin {label}")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    return Result()


@node("Work", category="test")
def work(
    ctx: Context,
    text: Annotated[str, String()] = "",
    label: Annotated[str, String()] = "",
    seconds: Annotated[float, Float()] = 0.0,
) -> Text:
    """Compute for a while, with `begin` and `end` as witnesses."""
    _witness(ctx, f"begin {label}")
    time.sleep(seconds)
    _witness(ctx, f"end {label}")
    return f"{text}{label}"


@node("KillOnce", category="test")
def kill_once(ctx: Context, text: Annotated[str, String()] = "") -> Text:
    """End the worker the first time."""
    mark = ctx.resource(Path) / "killed.txt"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return text


@node(
    "Repeat",
    category="test",
    replaces=(
        Replacement(
            old="OldRepeat",
            inputs={"text": "string"},
            values={"times": 2},
            outputs={1: 0},
            widgets=("string",),
        ),
    ),
)
def repeat(
    ctx: Context, text: Annotated[str, String()] = "", times: Annotated[int, Int(minimum=1, maximum=9)] = 1
) -> Text:
    """Give a text several times."""
    return text * times


@node("Shout", category="test", output=True, idempotent=False)
def shout(ctx: Context, text: Annotated[str, String()] = "") -> Result:
    """Print a line, as packs do."""
    print(text)
    return Result()


NODES = (
    shape,
    work,
    kill_once,
    kill_server,
    slow_save,
    say,
    number,
    show,
    save,
    steps,
    boom,
    kill,
    even,
    pick,
    note,
    shout,
    repeat,
    pick_later,
)


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with these nodes."""
    from server.app import WorkerSettings, build_workspace

    assert isinstance(settings, WorkerSettings)
    del services
    workspace = build_workspace(settings.workspace, elsewhere=settings.elsewhere)
    return WorkerParts(
        registry=Registry(NODES),
        files=workspace,
        resources={Path: workspace.root},
        keeping=settings.keeping,
        saves=Saves(workspace, Journal(workspace.saves)),
        lasting=Lasting(workspace.results, "small"),
    )


def build_slowly(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker as `build` does, once the workspace has a file `go`: a start that takes as long as a test wants."""
    from server.app import WorkerSettings

    assert isinstance(settings, WorkerSettings)
    while not (settings.workspace / "go").is_file():
        time.sleep(0.02)
    return build(settings, services)


def build_with_scripts(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker as `build` does; each folder in the workspace's `scripts` is a pack that only brings scripts."""
    from server.app import WorkerSettings

    assert isinstance(settings, WorkerSettings)
    folders = sorted((settings.workspace / "scripts").iterdir())
    packs = [PackReport(folder.name, str(folder), True, 0.0, web_directory=str(folder)) for folder in folders]
    return replace(build(settings, services), load_packs=lambda: packs)


def build_with_packs(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with community packs too, which brings torch in."""
    from nodes.builtin.storage import ResultCodec
    from nodes.compat.packs import Packs
    from server.app import WorkerSettings, _guarded, _places, build_workspace
    from server.pack_reports import report_of
    from server.worker.apart_words import Kept
    from server.worker.separate import Separate
    from server.worker_settings import alone

    assert isinstance(settings, WorkerSettings)
    workspace = build_workspace(settings.workspace, settings.packs, settings.elsewhere)
    registry = Registry(NODES)
    places = _places(workspace)
    packs = Packs(
        registry,
        places,
        services.announce,
        services.skip,
        only=settings.only_packs,
        taken=settings.routes,
        trusted=settings.trust.allows,
        publish=services.publish,
        wonder=services.wonder,
        handler_patience=2.0,
        fence=_guarded(settings, places),
        door=services.door,
    )
    codec, build = ResultCodec((Kept,)), "tests.server.small_nodes:build_with_packs"
    separate = Separate(registry, lambda pack: Factory(build, alone(settings, pack)), codec, services, packs)
    lasting = Lasting(workspace.results, "test", codec) if settings.alone else None
    return separate.joined(WorkerParts(registry=registry, files=workspace, lasting=lasting), report_of)
