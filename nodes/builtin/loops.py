"""Loops: what lies between Loop Start and Loop End runs once a turn.

Loop End becomes the next turn, a copy of the nodes between the two, until all turns are done. So every turn is a graph
like any other: its nodes show progress, fail and are remembered by themselves. `server/graph/loops.py` says which
links may cross the boundary.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Protocol, runtime_checkable

from nodes.spec import (
    ANY,
    Boolean,
    Context,
    Hidden,
    Int,
    Json,
    Node,
    NodeSpec,
    Out,
    OutputSpec,
    Result,
    Socket,
    node,
)

MOST_TURNS = 10_000


@runtime_checkable
class RunningGraph(Protocol):
    """The prompt with all nodes made so far."""

    def get_node(self, node_id: str) -> Any:
        """A node's prompt JSON."""
        ...


# start: the node that opens this turn; root: the first Loop End; turn, turns: numbers; collected: links so far
Turn = Mapping[str, Any]
Opened = tuple[
    Annotated[Turn, Out("LOOP", "loop")],
    Annotated[int, Out("INT", "index")],
    Annotated[object, Out(ANY, "value")],
]


@node("WeftLoopStart", name="Loop Start", category="utils/loop", loop="start")
def loop_start(
    ctx: Context,
    turns: Annotated[int, Int(minimum=1, maximum=MOST_TURNS)] = 2,
    value: Annotated[object, Socket(ANY, optional=True)] = None,
) -> Opened:
    """Begin a loop: gives the number of the turn, from 0, and what the turn before handed on (first: `value`)."""
    return {"start": ctx.node_id, "root": "", "turn": 0, "turns": turns, "collected": []}, 0, value


@node("WeftLoopTurn", name="Loop Turn", category="utils/loop", loop="start", dev_only=True)
def loop_turn(
    ctx: Context,
    loop: Annotated[Turn, Socket("LOOP")],
    value: Annotated[object, Socket(ANY, optional=True)] = None,
) -> Opened:
    """Begin a later turn: made by Loop End, never by hand."""
    return loop, loop["turn"], value


@node("WeftLoopEnd", name="Loop End", category="utils/loop", takes_lists=True, loop="end")
def loop_end(
    ctx: Context,
    loop: Annotated[Sequence[Turn], Socket("LOOP")],
    value: Annotated[object, Socket(ANY, optional=True)] = None,
    collect: Annotated[object, Socket(ANY, optional=True)] = None,
    go_on: Annotated[Sequence[bool] | None, Boolean(optional=True, force_input=True)] = None,
    graph: Annotated[Sequence[RunningGraph], Hidden("DYNPROMPT")] = (),
) -> tuple[Annotated[object, Out(ANY, "value")], Annotated[object, Out(ANY, "collected", is_list=True)]]:
    """End a loop: hands `value` to the next turn, gives the last one, and all that came in at `collect`.

    With `go_on` the loop ends early: after the first turn that gives off there.
    """
    turn, mine = loop[0], _inputs(graph[0].get_node(ctx.node_id))
    collected = [*turn["collected"], *([mine["collect"]] if "collect" in mine else [])]
    last = turn["turn"] + 1 >= turn["turns"] or (go_on is not None and not all(go_on))
    made: Any = (  # a graph; what the outputs are is said by the annotation
        _finished(ctx.node_id, mine, collected)
        if last
        else _next_turn(ctx.node_id, graph[0], turn, collected)
    )
    return made


def _finished(id: str, mine: Mapping[str, Any], collected: Sequence[Json]) -> Result:
    inputs = {str(index): link for index, link in enumerate(collected)}
    made: dict[str, Json] = {}
    if inputs:
        made[f"{id}.collected"] = {"class_type": "WeftLoopCollected", "inputs": inputs}
    return Result((mine.get("value"), [f"{id}.collected", 0] if inputs else []), expand=made)


def _next_turn(id: str, graph: RunningGraph, turn: Turn, collected: Sequence[Json]) -> Result:
    root, start, number = turn["root"] or id, turn["start"], turn["turn"]
    body = between(graph, start, id)

    def renamed(old: str) -> str:
        return f"{root}.{number + 1}.{old.removeprefix(f'{root}.{number}.')}"

    made: dict[str, Json] = {}
    for old in sorted(body - {start}):
        raw = graph.get_node(old)
        inputs = {
            name: [renamed(value[0]), value[1]] if _is_link(value) and value[0] in body else value
            for name, value in _inputs(raw).items()
        }
        made[renamed(old)] = {"override_display_id": old, **raw, "inputs": inputs}
    first = graph.get_node(start)
    carried = _inputs(graph.get_node(id)).get("value", _inputs(first).get("value"))
    opened = {"start": renamed(start), "root": root, "turn": number + 1, "collected": collected}
    made[renamed(start)] = {
        "class_type": "WeftLoopTurn",
        "inputs": {"loop": {**turn, **opened}, **({} if carried is None else {"value": carried})},
        "override_display_id": first.get("override_display_id", start),
    }
    return Result(([renamed(id), 0], [renamed(id), 1]), expand=made)


def between(graph: RunningGraph, start: str, end: str) -> set[str]:
    """The nodes on all ways from `start` to `end`, these two included."""
    above: dict[str, set[str]] = {}
    stack = [end]
    while stack:
        id = stack.pop()
        if id not in above:
            above[id] = set() if id == start else set(_sources(graph.get_node(id)))
            stack.extend(above[id])
    body, grown = {start}, True
    while grown:
        more = {id for id, sources in above.items() if id not in body and sources & body}
        body, grown = body | more, bool(more)
    return body


def _sources(raw: Mapping[str, Any]) -> Iterator[str]:
    return (value[0] for value in _inputs(raw).values() if _is_link(value))


def _inputs(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    return raw.get("inputs") or {}


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _collect(ctx: Context, **turns: Sequence[object]) -> list[object]:
    return [value for name in sorted(turns, key=int) for value in turns[name]]


loop_collected = Node(
    NodeSpec(
        id="WeftLoopCollected",
        display_name="Loop Collected",
        category="utils/loop",
        description="What all turns gave, in order: made by Loop End, never by hand.",
        outputs=(OutputSpec(ANY, "collected", is_list=True),),
        takes_lists=True,
        takes_anything=True,
        dev_only=True,
        version="1",
    ),
    _collect,
)
NODES = (loop_start, loop_end, loop_turn, loop_collected)
