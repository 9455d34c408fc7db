"""Every way a node can die, as a node: `Die.segfault` and so on. A worker with these and the small nodes, no torch.

`weft --factory tests.server.deaths.ways:build` serves them.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nodes.spec import (
    Context,
    InputSpec,
    Node,
    NodeError,
    NodeSpec,
    OutputSpec,
    Place,
    Registry,
    Result,
    Section,
    Stopped,
)
from server.worker.parts import Services, WorkerParts
from tests.server.small_nodes import NODES

FACTORY = "tests.server.deaths.ways:build"
LONG = 600.0  # seconds; beyond any test's patience


class Mute(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Unpicklable(Exception):
    """Holds what cannot cross to another process."""

    def __init__(self) -> None:
        super().__init__("I hold a lock")
        self.lock = threading.Lock()


class OutOfMemoryError(RuntimeError):
    """As torch names its own."""


class Opaque:
    """No JSON, and its text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def raises(error: Callable[[], BaseException]) -> Callable[[Context], object]:
    def run(ctx: Context) -> object:
        raise error()

    return run


def shows(make: Callable[[], object]) -> Callable[[Context], object]:
    """The node shows that."""
    return lambda ctx: Result((1,), {"text": make()})  # type: ignore[dict-item]


def recursion(ctx: Context) -> object:
    return recursion(ctx)


def native_recursion(ctx: Context) -> object:
    """Calls through native code, which has a stack of its own to overflow."""
    sys.setrecursionlimit(10**9)

    def deeper(value: object) -> object:
        return list(map(deeper, [value]))

    return deeper(1)


def segfault(ctx: Context) -> object:
    return ctypes.string_at(0)


def killed(name: str) -> Callable[[Context], object]:
    def run(ctx: Context) -> object:
        os.kill(os.getpid(), getattr(signal, name))
        time.sleep(LONG)
        return None

    return run


def loop(ctx: Context) -> object:
    ctx.progress(0, 1)
    while True:
        pass


def polite_loop(ctx: Context) -> object:
    while True:
        ctx.progress(0, 1)
        time.sleep(0.01)


def native_block(ctx: Context) -> object:
    """Native code that keeps the interpreter to itself: no other thread of the worker can answer."""
    ctx.progress(0, 1)
    return ctypes.PyDLL(None).sleep(int(LONG))


def lock(ctx: Context) -> object:
    ctx.progress(0, 1)
    held = threading.Lock()
    held.acquire()
    return held.acquire()


def swallows_stop(ctx: Context) -> object:
    while True:
        try:
            ctx.progress(0, 1)
            time.sleep(0.01)
        except Stopped:
            continue


async def async_loop(ctx: Context) -> object:
    ctx.progress(0, 1)
    while True:
        pass


async def async_segfault(ctx: Context) -> object:
    """Crashes a moment later, while others run."""
    await asyncio.sleep(0.5)
    return ctypes.string_at(0)


async def async_sleep(ctx: Context) -> object:
    return await asyncio.sleep(LONG)


async def async_os_exit(ctx: Context) -> object:
    await asyncio.sleep(0.5)
    os._exit(3)


def itself() -> object:
    ring: list[object] = []
    ring.append(ring)
    return ring


def nested() -> object:
    inside: list[object] = []
    for _ in range(300):
        inside = [inside]
    return inside


def closes_pipes(ctx: Context) -> object:
    """As programs do that become daemons: every file above the standard three is closed."""
    os.closerange(3, 256)
    return None


def closes_streams(ctx: Context) -> object:
    sys.stdout.close()
    for fd in (0, 1, 2):
        os.close(fd)
    return (Path(str(ctx.files.reserve(Place.TEMP, "x", ".txt").path)).open("w"), 1)[1]


def prints(ctx: Context) -> object:
    """Writes past Python into both streams, a line without end too."""
    print("a line of the node", flush=True)
    for fd in (1, 2):
        os.write(fd, b"\xff\xfe" * 100_000)
    os.write(2, b"\x00\n")
    return 1


def reads(ctx: Context) -> object:
    return input("Your name? ")


def broken_pipe(ctx: Context) -> object:
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    child.wait()
    assert child.stdin is not None
    with child.stdin as pipe:
        pipe.write(b"x" * 1_000_000)
    return 1


def leaves_children(ctx: Context) -> object:
    """A child program, a forked child, and a thread that outlive the job; gives the ids of the processes."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG})"])
    threading.Thread(target=time.sleep, args=(LONG,)).start()
    forked = os.fork()
    if forked == 0:
        time.sleep(LONG)
        os._exit(0)
    return Result((1,), {"pids": [child.pid, forked, os.getpid()]})


def asks_for_too_much(ctx: Context) -> object:
    return bytearray(1 << 50)


def eats_memory(ctx: Context) -> object:
    """Takes memory bit by bit and touches it, as a computation does."""
    held: list[bytearray] = []
    while True:
        held.append(bytearray(b"x") * (8 << 20))
        time.sleep(0.04)


def card_full_once(ctx: Context) -> object:
    """Finds no room at first, then it does."""
    seen = Path(str(ctx.files.reserve(Place.TEMP, "x", ".txt").path)).with_name("card_full_once")
    if not seen.exists():
        seen.touch()
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    return 1


def talks(ctx: Context) -> object:
    """Reports faster than anyone can hear."""
    for index in range(50_000):
        ctx.progress(index, 50_000)
    return 1


WAYS: dict[str, Callable[[Context], object]] = {
    "exception": raises(lambda: ValueError("it does not fit")),
    "keyboard": raises(KeyboardInterrupt),
    "generator_exit": raises(GeneratorExit),
    "sys_exit": raises(lambda: SystemExit(7)),
    "mute": raises(Mute),
    "unpicklable": raises(Unpicklable),
    "endless_words": raises(lambda: ValueError("x" * 50_000_000)),
    "surrogates": raises(lambda: ValueError("\ud800 \x00 \x1b[31m")),
    "recursion": recursion,
    "memory_error": raises(MemoryError),
    "card_full": raises(lambda: OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")),
    "card_full_once": card_full_once,
    "model_too_large": raises(
        lambda: NodeError("There is too little memory for the VAE of x.", "Choose another.")
    ),
    "asks_for_too_much": asks_for_too_much,
    "segfault": segfault,
    "native_recursion": native_recursion,
    "abort": lambda ctx: os.abort(),
    "os_exit": lambda ctx: os._exit(0),
    "sigkill": killed("SIGKILL"),
    "sigterm": killed("SIGTERM"),
    "loop": loop,
    "polite_loop": polite_loop,
    "native_block": native_block,
    "lock": lock,
    "swallows_stop": swallows_stop,
    "async_loop": async_loop,
    "async_segfault": async_segfault,
    "async_os_exit": async_os_exit,
    "async_sleep": async_sleep,
    "shows_opaque": shows(Opaque),
    "shows_itself": shows(itself),
    "shows_nested": shows(nested),
    "shows_nan": shows(lambda: [float("nan"), float("inf")]),
    "shows_lock": shows(lambda: [threading.Lock()]),
    "shows_surrogates": shows(lambda: ["\ud800"]),
    "shows_too_much": shows(lambda: ["x" * 100_000_000]),
    "shows_no_table": lambda ctx: Result((1,), "text"),  # type: ignore[arg-type]
    "closes_pipes": closes_pipes,
    "closes_streams": closes_streams,
    "prints": prints,
    "reads": reads,
    "broken_pipe": broken_pipe,
    "leaves_children": leaves_children,
    "eats_memory": eats_memory,
    "talks": talks,
}


def check_dies(ctx: Context, value: object = None) -> bool:
    ctypes.string_at(0)
    return True


def check_hangs(ctx: Context, value: object = None) -> bool:
    time.sleep(LONG)
    return True


def token_dies(ctx: Context, value: object = None) -> str:
    ctypes.string_at(0)
    return ""


def token_hangs(ctx: Context, value: object = None) -> str:
    time.sleep(LONG)
    return ""


def _asked() -> tuple[Node, ...]:
    """Nodes whose answers about themselves are deadly; each takes a constant `value`."""
    inputs = (InputSpec("value", "STRING"),)
    made: list[Node] = []
    for name, check, token in (
        ("check_dies", check_dies, None),
        ("check_hangs", check_hangs, None),
        ("token_dies", None, token_dies),
        ("token_hangs", None, token_hangs),
    ):
        spec = NodeSpec(
            id=f"Die.{name}", inputs=inputs, outputs=(OutputSpec("*", "*"),), has_change_token=token is not None,
            validates=("value",) if check else (),
        )  # fmt: skip
        made.append(Node(spec, lambda ctx, value: value, None, token, check))
    return tuple(made)


def _takes_value(way: Callable[[Context], object]) -> Callable[..., object]:
    def run(ctx: Context, value: object = None) -> object:
        return way(ctx)

    return run


def nodes() -> tuple[Node, ...]:
    """A node `Die.NAME` for each; it may be fed, so that what comes before it has run."""
    value = InputSpec("value", "*", Section.OPTIONAL)
    ways = (
        Node(
            NodeSpec(
                id=f"Die.{name}",
                inputs=(value,),
                outputs=(OutputSpec("*", "*"),),
                is_async=name.startswith("async"),
            ),
            _takes_value(way),
            None,
            None,
            None,
        )
        for name, way in WAYS.items()
    )
    return (*ways, *_asked())


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with them."""
    from server.app import WorkerSettings, build_workspace

    assert isinstance(settings, WorkerSettings)
    del services
    workspace = build_workspace(settings.workspace)
    registry = Registry((*NODES, *nodes()))
    return WorkerParts(registry=registry, files=workspace, resources={Path: workspace.root})


def build_asleep(settings: object, services: Services) -> WorkerParts:
    """Never ready: it waits for something that does not come."""
    time.sleep(LONG)
    return build(settings, services)


def build_short_lived(settings: object, services: Services) -> WorkerParts:
    """Ready, and dead a moment later, whatever it is asked."""
    threading.Timer(0.3, lambda: os._exit(5)).start()
    return build(settings, services)


def build_on_fifth(settings: object, services: Services) -> WorkerParts:
    """Cannot be furnished until five have tried: what kept it passes."""
    from server.app import WorkerSettings

    assert isinstance(settings, WorkerSettings)
    tries = settings.workspace / "tries.txt"
    with tries.open("a", encoding="ascii") as file:
        file.write("x")
    if len(tries.read_text(encoding="ascii")) < 5:
        raise OSError("the drive is not mounted yet")
    return build(settings, services)


def build_holding(settings: object, services: Services) -> WorkerParts:
    """A worker that holds models: `Load` loads one."""
    held: list[str] = []

    def load(ctx: Context, name: str = "") -> str:
        held.append(name)
        return name

    parts = build(settings, services)
    inputs, outputs = (InputSpec("name", "STRING", Section.OPTIONAL),), (OutputSpec("*", "name"),)
    parts.registry.add(Node(NodeSpec(id="Load", inputs=inputs, outputs=outputs), load, None, None, None))
    return replace(parts, sources=lambda: tuple(held), bring_back=held.append)
