"""A worker's furnishings for tests: small nodes that count, wait, fail, crash and hang. No torch."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from nodes.spec import (
    Blocker,
    Context,
    InputSpec,
    Json,
    Node,
    NodeError,
    NodeSpec,
    OutputSpec,
    Registry,
    Result,
    Section,
    SpecError,
    Stopped,
)
from server.graph.outcome import Failure
from server.worker.parts import PackReport, Services, WorkerParts
from server.workspace import Workspace


def make(id, run, inputs=(), outputs=("*",), *, needs=None, change_token=None, validate=None, **more) -> Node:
    """A node in one line; an input is a name, or an InputSpec."""
    declared = tuple(
        InputSpec(entry, "*", Section.OPTIONAL) if isinstance(entry, str) else entry for entry in inputs
    )
    produced = tuple(OutputSpec(entry, entry) if isinstance(entry, str) else entry for entry in outputs)
    spec = NodeSpec(
        id=id,
        inputs=declared,
        outputs=produced,
        decides_lazily=needs is not None,
        has_change_token=change_token is not None,
        **more,
    )
    return Node(spec, run, needs, change_token, validate)


def add(ctx: Context, a=0, b=0):
    return a + b


def fail(ctx: Context, a=0):
    raise NodeError("It does not fit.", "Make it smaller.")


def odd(ctx: Context, a=0):
    return {}[a]


def wrong_count(ctx: Context):
    return (1, 2, 3)


def switch(ctx: Context, pick, a=None, b=None):
    return a if pick == "a" else b


def pair(ctx: Context, a=0):
    return a, -a


def numbers(ctx: Context, count=0):
    return list(range(count))


def total(ctx: Context, values=()):
    return sum(values)


def gate(ctx: Context, value=0, limit=0, message=None):
    return Blocker(message) if value > limit else value


def show(ctx: Context, value=None, me=None, prompt=None):
    return Result(ui={"text": [str(value)], "me": [str(me), len(prompt or {})]})


def countdown(ctx: Context, n=0):
    """Expands into itself until n is 0."""
    if n <= 0:
        return Result(("lift-off",))
    inner = f"{ctx.node_id}.{n}"
    return Result(([inner, 0],), expand={inner: {"class_type": "Countdown", "inputs": {"n": n - 1}}})


class Strange:
    """No JSON."""

    def __init__(self, value):
        self.value = value


def carry(ctx: Context, value=0):
    """Makes a graph that holds an object as a constant."""
    made = {"inner": {"class_type": "Unwrap", "inputs": {"strange": Strange(value)}}}
    return Result((["inner", 0],), expand=made)


def unwrap(ctx: Context, strange=None):
    return strange.value


async def wait(ctx: Context, seconds=0.0, value=None):
    await asyncio.sleep(seconds)
    return value


def steps(ctx: Context, count=10, pause=0.01):
    for index in range(count):
        ctx.progress(index + 1, count)
        time.sleep(pause)
    return count


def hang(ctx: Context, seconds=60.0):
    """Native code that answers nobody."""
    ctx.progress(0, 1)
    time.sleep(seconds)
    return "awake"


def hang_hard(ctx: Context, seconds=60.0):
    """Native code that keeps the interpreter to itself."""
    ctx.progress(0, 1)
    ctypes.PyDLL(None).sleep(int(seconds))
    return "awake"


def stubborn(ctx: Context, seconds=60.0):
    """Swallows Stop and goes on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            ctx.check_stop()
        except Stopped:
            time.sleep(0.05)
    return "done"


def slow_to_stop(ctx: Context, seconds=1.0, beats=4):
    """Blocks that each take a while; Stop is seen between them."""
    for _ in range(beats):
        time.sleep(seconds)
        ctx.check_stop()
    return "done"


def kill(ctx: Context, how="SIGKILL"):
    print("about to end", flush=True)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(60)


def leave(ctx: Context):
    raise SystemExit(7)


def show_foreign(ctx: Context):
    """Shows things that are no JSON."""
    return Result(ui={"text": (Strange(1), {1: {2}}, 2.5)})


def size_of_file(ctx: Context, name="") -> str:
    return str(Path(name).stat().st_size)


def even_only(ctx: Context, value=None) -> bool | str:
    return True if value is None or value % 2 == 0 else f"{value} is odd"


def types_only(ctx: Context, input_types: Mapping[str, str]) -> bool | str:
    return all(kind == "INT" for kind in input_types.values())


def nodes() -> Iterable[Node]:
    """All of them."""
    hidden = (InputSpec("me", "UNIQUE_ID", Section.HIDDEN), InputSpec("prompt", "PROMPT", Section.HIDDEN))
    lazy = tuple(InputSpec(name, "*", Section.OPTIONAL, options={"lazy": True}) for name in "ab")
    values: Json = []
    return (
        make("Add", add, ("a", "b")),
        make("Fail", fail, ("a",)),
        make("Odd", odd, ("a",)),
        make("WrongCount", wrong_count, outputs=("*", "*")),
        make("Switch", switch, ("pick", *lazy), needs=lambda ctx, pick, **_: [pick]),
        make("Pair", pair, ("a",), ("*", "*")),
        make("Numbers", numbers, ("count",), (OutputSpec("INT", "n", is_list=True),)),
        make("NotAList", lambda ctx: 5, (), (OutputSpec("INT", "n", is_list=True),)),
        make("Total", total, (InputSpec("values", "INT", options={"default": values}),), takes_lists=True),
        make("Gate", gate, ("value", "limit", "message")),
        make("Show", show, ("value", *hidden), (), is_output=True),
        make("ShowForeign", show_foreign, (), (), is_output=True),
        make("Countdown", countdown, ("n",)),
        make("Carry", carry, ("value",)),
        make("Unwrap", unwrap, ("strange",)),
        make("Wait", wait, ("seconds", "value"), is_async=True),
        make("Steps", steps, ("count", "pause")),
        make("Hang", hang, ("seconds",)),
        make("HangHard", hang_hard, ("seconds",)),
        make("Stubborn", stubborn, ("seconds",)),
        make("SlowToStop", slow_to_stop, ("seconds", "beats")),
        make("Kill", kill, ("how",)),
        make("Leave", leave),
        make("FileSize", lambda ctx, name="": name, ("name",), change_token=size_of_file),
        make("Even", lambda ctx, value=0: value, ("value",), validate=even_only, validates=("value",)),
        make("Typed", lambda ctx, a=0: a, ("a",), validate=types_only, validates_types=True),
    )


def build(settings: Path, services: Services) -> WorkerParts:
    """Furnish a worker; `settings` is the folder of its workspace."""
    return WorkerParts(registry=Registry(nodes()), files=Workspace(settings))


def build_nothing(settings: object, services: Services) -> WorkerParts:
    """Cannot be furnished."""
    raise SpecError("These parts do not fit.")


def build_with_packs(settings: Path, services: Services) -> WorkerParts:
    """One pack ends the process while it is loaded; the next is fine."""

    def load() -> list[PackReport]:
        reports = []
        for name in ("deadly", "fine"):
            if name in services.skip:
                reports.append(
                    PackReport(name, name, ok=False, seconds=0.0, error=Failure(services.skip[name]))
                )
                continue
            services.announce(name)
            if name == "deadly":
                os.abort()
            reports.append(PackReport(name, name, ok=True, seconds=0.0))
        return reports

    return WorkerParts(registry=Registry(nodes()), files=Workspace(settings), load_packs=load)
