"""With `--cache-none`, what a job needs no more is gone while the job still runs."""

import sys
from pathlib import Path

import pytest

from nodes.spec import Context, InputSpec, Node, NodeSpec, OutputSpec, Registry, Result, Section
from server.worker.parts import Services, WorkerParts
from tests.server.api.asking import prompt
from tests.serving import serving

FACTORY = "tests.server.worker.test_sparing:build"
PIECE = 16 << 20  # bytes
PIECES = 16


def fill(ctx: Context, after: object = None) -> object:
    """Something large, and written to."""
    return bytearray(b"x") * PIECE


def most(ctx: Context, value: object = None) -> Result:
    """The most bytes that the worker ever held."""
    import resource

    return Result((), {"most": [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]})


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with them."""
    from server.app import WorkerSettings, build_workspace

    assert isinstance(settings, WorkerSettings)
    del services
    linked = (InputSpec("after", "*", Section.OPTIONAL),)
    shown = (InputSpec("value", "*", Section.OPTIONAL),)
    nodes = (
        Node(NodeSpec(id="Fill", inputs=linked, outputs=(OutputSpec("*", "value"),)), fill),
        Node(NodeSpec(id="Most", inputs=shown, is_output=True, idempotent=False), most),
    )
    return WorkerParts(
        registry=Registry(nodes), files=build_workspace(settings.workspace), keeping=settings.keeping
    )


def most_held(workspace: Path, *arguments: str) -> int:
    """Of a chain of large pieces."""
    chain = {"0": ("Fill", {})} | {
        str(index): ("Fill", {"after": [str(index - 1), 0]}) for index in range(1, PIECES)
    }
    nodes = prompt(**chain, most=("Most", {"value": [str(PIECES - 1), 0]}))
    with serving(workspace, "--factory", FACTORY, *arguments) as server:
        first = server.run(nodes)["outputs"]["most"]["most"][0]
        assert server.run(nodes)["outputs"]["most"]["most"][0] < first + PIECES * PIECE // 2
        return first


@pytest.mark.skipif(sys.platform != "linux", reason="the system must say how much a process holds")
def test_without_a_cache_a_result_goes_once_its_last_reader_ran(tmp_path: Path):
    sparing = most_held(tmp_path / "none", "--cache-none")
    keeping = most_held(tmp_path / "classic", "--cache-classic")
    # A busy machine hears a little late that a piece is needed no more.
    assert keeping - sparing > PIECES * PIECE // 2
