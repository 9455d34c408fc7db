"""The small nodes, and one that takes a seed."""

from typing import Annotated

from nodes.spec import Context, Int, Out, Registry, node
from server.worker.parts import Services, WorkerParts
from tests.server.small_nodes import NODES

FACTORY = "tests.server.seed_nodes:build"


@node("Seed", category="test")
def seed(
    ctx: Context, seed: Annotated[int, Int(minimum=0, maximum=2**64 - 1, seed=True)] = 0
) -> Annotated[int, Out("INT")]:
    """Give a seed."""
    return seed


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with these nodes."""
    from server.app import WorkerSettings, build_workspace

    assert isinstance(settings, WorkerSettings)
    del services
    return WorkerParts(registry=Registry((*NODES, seed)), files=build_workspace(settings.workspace))
