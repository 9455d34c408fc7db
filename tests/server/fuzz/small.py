"""The worker of the fuzzed server: small nodes that do no harm, and those of the field's templates, which give nothing."""

from nodes.spec import Node, NodeSpec, Registry, Result
from server.graph.convert import read_specs
from server.worker.parts import Services, WorkerParts
from tests.server.fuzz.inputs import golden
from tests.server.small_nodes import boom, even, number, pick, save, say, show

FACTORY = "tests.server.fuzz.small:build"


def nothing(spec: NodeSpec) -> Node:
    """A node that gives None on every output."""
    return Node(spec, lambda ctx, **_: Result((None,) * len(spec.outputs)), None, None, None)


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with them."""
    from server.app import WorkerSettings, build_workspace

    assert isinstance(settings, WorkerSettings)
    del services
    templates = [nothing(spec) for spec in read_specs(golden("object_info")).values()]
    return WorkerParts(
        registry=Registry((*templates, boom, even, number, pick, save, say, show)),
        files=build_workspace(settings.workspace),
    )
