"""What a worker does ahead of its first node never runs beside one."""

import threading
import time
from pathlib import Path
from typing import Annotated

import pytest

from nodes.spec import Context, Out, Registry, node
from server.graph.outcome import Done
from server.worker.parts import Factory, Services, WorkerParts
from server.worker.stopping import StopSwitch
from server.worker.worker import Worker
from server.workspace import Workspace
from tests.server.backends.asking import job, task


class Diary:
    """What happened, and in which thread."""

    def __init__(self, workspace: Path, *, spoilt: bool = False) -> None:
        self.workspace = workspace
        self.spoilt = spoilt
        self.entries: list[tuple[str, int]] = []

    def write(self, what: str) -> None:
        self.entries.append((what, threading.get_ident()))


@node("Writes", category="test")
def writes(ctx: Context) -> Annotated[int, Out("INT")]:
    """Write into the diary."""
    ctx.resource(Diary).write("node")
    return 1


def furnish(diary: Diary, services: Services) -> WorkerParts:
    def warm_up() -> None:
        time.sleep(0.1)  # a node that did not wait would be first
        diary.write("warmed up")
        if diary.spoilt:
            raise ImportError("a package is half installed")

    registry = Registry([writes])
    return WorkerParts(
        registry=registry,
        files=Workspace(diary.workspace),
        resources={Diary: diary},
        warm_up=warm_up,
    )


@pytest.mark.parametrize("spoilt", [False, True])
def test_the_first_node_waits_for_it_in_the_same_thread_and_outlives_its_failure(
    tmp_path: Path, spoilt: bool
):
    diary = Diary(tmp_path, spoilt=spoilt)
    worker = Worker(Factory(f"{__name__}:furnish", diary), StopSwitch(), lambda _: None, {})
    try:
        worker.begin(job())
        assert isinstance(worker.submit(task("Writes"), lambda _: None).result(10), Done)
    finally:
        worker.close()
    assert [what for what, _ in diary.entries] == ["warmed up", "node"]
    assert len({thread for _, thread in diary.entries}) == 1
