"""A worker with nodes that do next to nothing: what is left is the executor's own cost."""

from typing import Annotated

from nodes.spec import Context, Int, Out, Registry, Result, Socket, node
from server.worker.parts import Services, WorkerParts

FACTORY = "tests.bench.trivial_nodes:build"
Number = Annotated[int, Out("INT")]


@node("Constant", category="bench")
def constant(ctx: Context, value: Annotated[int, Int(minimum=-(2**63), maximum=2**63)] = 0) -> Number:
    """Give a number."""
    return value


@node("Add", category="bench")
def add(ctx: Context, left: Annotated[int, Socket("INT")], above: Annotated[int, Socket("INT")]) -> Number:
    """Add two numbers."""
    return (left + above) % 1_000_003


@node("Sink", category="bench", output=True)
def sink(ctx: Context, value: Annotated[int, Socket("INT")]) -> Result:
    """End a row."""
    return Result(())


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with these nodes."""
    from server.app import WorkerSettings, build_workspace

    assert isinstance(settings, WorkerSettings)
    del services
    return WorkerParts(registry=Registry((constant, add, sink)), files=build_workspace(settings.workspace))
