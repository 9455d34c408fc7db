"""Node classes for the tables of EXECUTOR.md and for random graphs: each shows one habit, none needs torch."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

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
)
from server.worker.keeping import Keeping
from server.worker.parts import Services, WorkerParts
from server.worker.running import NodeContext
from server.workspace import Workspace

FACTORY = "tests.server.spec.kinds:build"


@dataclass
class World:
    """What lies outside the graph: files with their change tokens, and the log of all calls.

    Attributes:
        files: what `File` gives, by name.
        tokens: what `File` answers when asked for its change token; an exception is raised.
        folder: the worker's workspace.
        log: ("start" or "end", node id) of every call of a node's function, in order.
        stop: presses Stop; set by whoever plays.
        keeping: what the worker keeps between prompts.
        asked: node ids whose change token was asked for.
    """

    folder: Path
    files: dict[str, int] = field(default_factory=dict[str, int])
    tokens: dict[str, object] = field(default_factory=dict[str, object])
    log: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    asked: list[str] = field(default_factory=list[str])
    stop: Callable[[], None] | None = None
    keeping: Keeping = field(default_factory=Keeping)

    def forget(self) -> None:
        """Begin anew."""
        for part in (self.files, self.tokens, self.log, self.asked):
            part.clear()


def add(ctx: Context, a: int = 0, b: int = 0) -> int:
    return a + b


def even(ctx: Context, a: int = 0) -> int:
    if a % 2:
        raise NodeError(f"{a} is odd.", "Give an even number.")
    return a


async def even_later(ctx: Context, a: int = 0) -> int:
    await asyncio.sleep(0)
    return even(ctx, a)


def pair(ctx: Context, a: int = 0) -> tuple[int, list[int]]:
    return -a, [a, a + 1]


def numbers(ctx: Context, count: int = 0) -> list[int]:
    return list(range(max(0, min(count, 4))))


def total(ctx: Context, values: object = (), more: object = ()) -> int:
    return sum(cast("list[int]", values)) + 100 * len(cast("list[int]", more))


def gate(ctx: Context, value: int = 0, limit: int = 0, message: str | None = None) -> int | Blocker:
    return Blocker(message) if value > limit else value


async def wait(ctx: Context, value: int = 0, seconds: float = 0.0) -> int:
    await asyncio.sleep(seconds)
    return value


def switch(ctx: Context, pick: int, a: int | None = None, b: int | None = None) -> int | None:
    return a if pick else b


def switch_needs(ctx: Context, pick: int, a: int | None = None, b: int | None = None) -> list[str]:
    return ["a"] if pick else ["b"]


def fallback(ctx: Context, a: int | None = None, b: int | None = None) -> int | None:
    """`a`, or `b` where `a` is negative."""
    return b if a is not None and a < 0 else a


def fallback_needs(ctx: Context, a: int | None = None, b: int | None = None) -> list[str]:
    if a is None:
        return ["a"]
    return ["b"] if a < 0 and b is None else []


def show(ctx: Context, value: object = None) -> Result:
    return Result(ui={"text": [cast("Json", value)]})


def show_and_give(ctx: Context, value: int = 0) -> Result:
    return Result((value,), ui={"text": [value], "sign": ["-" if value < 0 else "+"]})


def uneven(ctx: Context, value: int = 0) -> Result:
    return Result(ui={"text": [value]} if value else {"first": [value], "text": [value]})


def reasons(ctx: Context, count: int = 0) -> Blocker:
    return Blocker("odd" if count % 2 else "even")


def told(ctx: Context, **inputs: object) -> Result:
    """Shows all that it receives."""
    return Result(ui={name: [cast("Json", value)] for name, value in sorted(inputs.items())})


def hidden(ctx: Context, **inputs: Any) -> Result:
    """Shows what its hidden inputs receive; of the running prompt, its ids."""
    inputs["dynprompt"] = sorted(inputs["dynprompt"].all_node_ids())
    return told(ctx, **inputs)


def ring(ctx: Context, of: str = "") -> Result:
    """Becomes a node that depends on the node `of`."""
    return Result((["ring", 0],), expand={"ring": {"class_type": "Add", "inputs": {"a": [of, 0]}}})


def becomes(ctx: Context, graph: Mapping[str, Json], result: Json = 0, ui: str = "") -> Result:
    """Becomes the graph that it is given."""
    return Result((result,), {"text": [ui]} if ui else None, graph)


def unroll(
    ctx: Context, times: int = 0, value: int = 0, source: list[Json] | None = None, style: str = "chain"
) -> Result:
    """Becomes a graph of up to three nodes that counts on from `value`, or from what the raw link `source` brings.

    `style`: chain; show (and an output node); nest (expands again); even (its first node may fail); twin (an id twice);
    nothing (no graph).
    """
    prefix = f"{ctx.node_id}.{cast('NodeContext', ctx).call}."
    times = max(0, min(times, 3))
    if style == "nothing" or times == 0:
        return Result((value,))
    if style == "twin":
        prefix = f"{ctx.node_id}.twin."
    if style == "nest":
        inner: dict[str, Json] = {"times": times - 1, "value": value + 1, "style": style, "made_by": prefix}
        return Result(([f"{prefix}0", 0],), expand={f"{prefix}0": {"class_type": "Unroll", "inputs": inner}})
    made: dict[str, Json] = {}
    previous: Json = source if source is not None else value
    for index in range(times):
        type = "Even" if style == "even" and index == 0 else "Add"
        inputs: dict[str, Json] = {"a": previous, "made_by": prefix}
        made[f"{prefix}{index}"] = {
            "class_type": type,
            "inputs": inputs if type == "Even" else inputs | {"b": 1},
        }
        previous = [f"{prefix}{index}", 0]
    if style == "show":
        made[f"{prefix}show"] = {"class_type": "Show", "inputs": {"value": previous, "made_by": prefix}}
    return Result((previous,), expand=made)


HIDDEN = tuple(
    InputSpec(name.lower(), name, Section.HIDDEN)
    for name in (
        "PROMPT",
        "DYNPROMPT",
        "EXTRA_PNGINFO",
        "UNIQUE_ID",
        "AUTH_TOKEN_COMFY_ORG",
        "API_KEY_COMFY_ORG",
        "EXECUTION_LIST",
        "COMFY_USAGE_SOURCE",
    )
)


def socket(name: str, *, optional: bool = True, type: str = "*", **options: Json) -> InputSpec:
    """An input in one line."""
    return InputSpec(name, type, Section.OPTIONAL if optional else Section.REQUIRED, None, options)


def nodes(world: World) -> Iterator[Node]:
    """All of them; `World` is what they read and write."""

    def logged(run: Callable[..., object]) -> Callable[..., object]:
        def call(ctx: Context, **inputs: object) -> object:
            world.log.append(("start", ctx.node_id))
            value = run(ctx, **inputs)
            world.log.append(("end", ctx.node_id))
            return value

        async def call_later(ctx: Context, **inputs: object) -> object:
            world.log.append(("start", ctx.node_id))
            value = await cast("Callable[..., asyncio.Future[object]]", run)(ctx, **inputs)
            world.log.append(("end", ctx.node_id))
            return value

        return call_later if asyncio.iscoroutinefunction(run) else call

    def file(ctx: Context, name: str = "") -> int:
        return world.files[name]

    def token(ctx: Context, name: str = "") -> object:
        world.asked.append(ctx.node_id)
        found = world.tokens.get(name)
        if isinstance(found, Exception):
            raise found
        return found

    def make(
        id: str,
        run: Callable[..., object],
        inputs: tuple[InputSpec, ...],
        outputs: tuple[OutputSpec, ...] = (OutputSpec("*", "out"),),
        needs: Callable[..., list[str]] | None = None,
        change_token: Callable[..., object] | None = None,
        **more: bool,
    ) -> Node:
        spec = NodeSpec(
            id=id,
            inputs=inputs,
            outputs=outputs,
            is_async=asyncio.iscoroutinefunction(run),
            decides_lazily=needs is not None,
            has_change_token=change_token is not None,
            **more,
        )
        return Node(spec, logged(run), needs, change_token)

    def press_stop(ctx: Context, a: int = 0) -> int:
        assert world.stop is not None
        world.stop()
        return a

    def until(ctx: Context, id: str) -> str:
        """Keeps the computing thread until the node `id` is done."""
        end = time.monotonic() + 20
        while ("end", id) not in world.log and time.monotonic() < end:
            time.sleep(0.002)
        return "met" if ("end", id) in world.log else "alone"

    lazy = (socket("a", lazy=True), socket("b", lazy=True))
    unrolled = (socket("times"), socket("value"), socket("source", rawLink=True), socket("style"))
    yield make("Add", add, (socket("a"), socket("b")))
    yield make("Tied", add, (socket("a"), socket("b")), idempotent=False)
    yield make("Even", even, (socket("a"),))
    yield make("EvenLater", even_later, (socket("a"),))
    yield make(
        "Pair", pair, (socket("a"),), (OutputSpec("*", "minus"), OutputSpec("*", "list", is_list=True))
    )
    yield make("Numbers", numbers, (socket("count"),), (OutputSpec("*", "list", is_list=True),))
    yield make("Total", total, (socket("values"), socket("more")), takes_lists=True)
    yield make("Gate", gate, (socket("value"), socket("limit"), socket("message")))
    yield make("Wait", wait, (socket("value"), socket("seconds")))
    yield make("Switch", switch, (socket("pick"), *lazy), needs=switch_needs)
    yield make("Fallback", fallback, lazy, needs=fallback_needs)
    yield make("File", file, (socket("name"),), change_token=token)
    yield make("Unroll", unroll, unrolled)
    yield make("PressStop", press_stop, (socket("a"),))
    yield make("Until", until, (socket("id"),))
    yield make("Told", told, (socket("a"), socket("raw", rawLink=True)), (), is_output=True)
    yield make("ToldAll", told, (socket("a"),), (), is_output=True, takes_anything=True)
    yield make("Hidden", hidden, HIDDEN, (), is_output=True)
    yield make(
        "TiedByUniqueId", lambda ctx, me, a=0: a, (socket("a"), InputSpec("me", "UNIQUE_ID", Section.HIDDEN))
    )
    yield make("Ring", ring, (socket("of"),))
    yield make("Becomes", becomes, (socket("graph"), socket("result"), socket("ui")))
    yield make("Show", show, (socket("value"),), (), is_output=True)
    yield make("Uneven", uneven, (socket("value"),), (), is_output=True)
    yield make("Reasons", reasons, (socket("count"),))
    yield make("BlockBoth", lambda ctx: Blocker(), (), (OutputSpec("*", "a"), OutputSpec("*", "b")))
    yield make("GiveOne", lambda ctx: (1,), (), (OutputSpec("*", "a"), OutputSpec("*", "b")))
    yield make("ShowAndGive", show_and_give, (socket("value"),), is_output=True)


def build(world: World, services: Services) -> WorkerParts:
    """Furnish a worker in this process."""
    del services
    return WorkerParts(registry=Registry(nodes(world)), files=Workspace(world.folder), keeping=world.keeping)
