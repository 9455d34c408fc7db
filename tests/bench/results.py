"""What keeping results costs: in memory for each node, on disk for each file, and for each saved picture's name.

Run as `python -m tests.bench.results`. Medians; the disk is that of the temporary folder.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from nodes.builtin.storage import ResultCodec
from nodes.spec import Place
from server.worker.disk import Disk
from server.worker.entry import About
from server.worker.keeping import Keeping
from server.worker.outputs import Outputs
from server.worker.saves import Journal, Saves
from server.workspace import Workspace

NODES = 1000
TURNS = 9


def median(act: Callable[[], object], turns: int = TURNS) -> float:
    """Seconds of one turn."""
    found: list[float] = []
    for _ in range(turns):
        started = time.perf_counter()
        act()
        found.append(time.perf_counter() - started)
    return statistics.median(found)


def memory(folder: Path) -> None:
    """A job of trivial nodes: none known, then all known."""
    disk = Disk(folder, "now", ResultCodec(), 10**9)
    outputs = Outputs(Keeping(budget=10**9), "bench", disk=disk)
    number = 0

    def cold() -> None:
        nonlocal number
        keys = [f"{number}-{node}" for node in range(NODES)]
        number += 1
        outputs.begin()
        outputs.recall(keys)
        for key in keys:
            outputs.put([[1]], key, None, 0.0001)
            outputs.store(key, "Node")
        outputs.end()

    def known() -> None:
        keys = [f"0-{node}" for node in range(NODES)]
        outputs.begin()
        outputs.recall(keys)
        outputs.end()

    print(f"memory, none known: {median(cold) / NODES * 1e6:.1f} µs a node")
    print(f"memory, all known: {median(known) / NODES * 1e6:.1f} µs a node")


def files(folder: Path) -> None:
    """Latents of a picture, the picture, a short film."""
    for name, shape in (
        ("latents", (1, 4, 64, 64)),
        ("picture", (1, 1024, 1024, 3)),
        ("film", (24, 512, 512, 3)),
    ):
        disk = Disk(folder, "now", ResultCodec(), 10**10)
        tensor = torch.rand(shape)
        about = About(name, "Node", 1e6, None, 1)

        def keep() -> None:
            written = disk.keep(about, [[tensor]], tensor.nbytes)  # noqa: B023 - called in this turn
            assert written is not None and written.result()

        def read() -> None:
            found = disk.look(name)  # noqa: B023
            assert found is not None
            with found.file:
                assert disk.load(found)  # noqa: B023

        print(
            f"{name}, {tensor.nbytes / 1e6:.2f} MB: written in {median(keep) * 1e3:.1f} ms,"
            f" checked and read in {median(read) * 1e3:.1f} ms"
        )


def names(folder: Path) -> None:
    """Saves of one line each: with a name that was written down, and as they would be without."""
    workspace = Workspace(folder / "work")
    saves = Saves(workspace, Journal(workspace.saves))
    number = 0

    def durable() -> None:
        nonlocal number
        number += 1
        with saves.files("job", f"{number}", 0).reserve(Place.OUTPUT, "a", ".txt").writing() as path:
            path.write_text("x")

    def bare() -> None:
        with workspace.reserve(Place.TEMP, "a", ".txt").writing() as path:
            path.write_text("x")

    print(f"a save: {median(durable) * 1e3:.1f} ms, without journal and flush {median(bare) * 1e3:.1f} ms")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for part in (memory, files, names):
            part(Path(made) / part.__name__)
