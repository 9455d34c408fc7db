"""How long a browser waits for the list of nodes: 3,000 of them, described anew, known, unchanged, and at the next start.

Run `python -m tests.bench.object_info [NODES]` on a quiet machine. Twice: with nodes as our own are, and with as many of
one community pack, each of whose classes is asked again at every request.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from nodes.spec import Choices, InputSpec, Node, NodeSpec, OutputSpec, Registry, Section
from server.worker.parts import Services, WorkerParts
from tests.serving import Server, serving

NODES = 3000
OWN = "tests.bench.object_info:build"
PACKS = "tests.server.small_nodes:build_with_packs"
PACK = """
def make(index):
    class Many:
        @classmethod
        def INPUT_TYPES(cls):
            return {
                "required": {"image": ("IMAGE",), "mode": (["a", "b", "c"], {"default": "a"}),
                             **{f"value_{n}": ("INT", {"default": n, "min": 0, "max": 100, "tooltip": "a number"})
                                for n in range(8)}},
                "optional": {"mask": ("MASK",), "text": ("STRING", {"multiline": True})},
            }

        RETURN_TYPES = ("IMAGE", "MASK")
        FUNCTION = "run"
        CATEGORY = f"many/{index % 40}"
        DESCRIPTION = "One of many."

        def run(self, **inputs):
            return None, None

    return Many


NODE_CLASS_MAPPINGS = {f"Many{index}": make(index) for index in range(COUNT)}
"""


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with as many nodes as its workspace's name ends in, a third of which offer checkpoints."""
    from server.app import WorkerSettings, build_workspace

    del services
    assert isinstance(settings, WorkerSettings)
    count = int(settings.workspace.name.rpartition("-")[2])
    time.sleep(2)  # what a worker needs for torch, so that it can be seen who answers first
    nodes = [Node(described(index), lambda ctx, **inputs: None) for index in range(count)]
    return WorkerParts(registry=Registry(nodes), files=build_workspace(settings.workspace))


def described(index: int) -> NodeSpec:
    """One of many nodes, with twelve inputs."""
    numbers = (
        InputSpec(
            f"value_{n}",
            "INT",
            Section.REQUIRED,
            None,
            {"default": n, "min": 0, "max": 100, "tooltip": "a number"},
        )
        for n in range(8)
    )
    offered = Choices((), "checkpoints") if index % 3 == 0 else Choices(("a", "b", "c"))
    return NodeSpec(
        id=f"Many{index}",
        category=f"many/{index % 40}",
        description="One of many.",
        inputs=(
            InputSpec("image", "IMAGE"),
            InputSpec("mode", "COMBO", Section.REQUIRED, offered),
            *numbers,
            InputSpec("mask", "MASK", Section.OPTIONAL),
            InputSpec("text", "STRING", Section.OPTIONAL, None, {"multiline": True}),
        ),
        outputs=(OutputSpec("IMAGE", "IMAGE"), OutputSpec("MASK", "MASK")),
    )


def main(count: int) -> None:
    """Print a table: milliseconds."""
    print(f"{count} nodes                 own nodes  a pack's")
    columns = [measure(count, OWN), measure(count, PACKS)]
    for row in columns[0]:
        print(f"{row:28}", *(f"{column[row]:9.1f}" for column in columns))


def measure(count: int, factory: str) -> dict[str, float]:
    """Milliseconds of each case; sizes in kB."""
    folder = Path(tempfile.mkdtemp())
    workspace = folder / f"nodes-{count}"
    for name in range(100):
        path = workspace / "models" / "checkpoints" / f"{name:03}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    pack = workspace / "custom_nodes" / "many"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(f"COUNT = {count}\n{PACK}")
    try:
        return _measure(workspace, factory)
    finally:
        shutil.rmtree(folder)


def _measure(workspace: Path, factory: str) -> dict[str, float]:
    found: dict[str, float] = {}
    with serving(workspace, "--factory", factory) as server:
        server.get("/api/weft/packs")  # the worker is there
        found["first time, ms"], tag, size = ask(server)
        found["size in gzip, kB"] = size / 1000
        found["known, ms"] = median(ask(server)[0] for _ in range(9))
        found["known, without gzip, ms"] = median(
            ask(server, **{"Accept-Encoding": "identity"})[0] for _ in range(9)
        )
        found["known to the client, ms"] = median(ask(server, **{"If-None-Match": tag})[0] for _ in range(9))
        time.sleep(1)  # the descriptions are being kept beside
    start = time.perf_counter()
    with serving(workspace, "--factory", factory) as server:
        found["next start: listens, ms"] = (time.perf_counter() - start) * 1000
        ask(server)
        found["next start: all nodes, ms"] = (time.perf_counter() - start) * 1000
        found["worker was ready by then"] = float(server.get("/api/weft/status")["ready"])
    return found


def ask(server: Server, **headers: str) -> tuple[float, str, int]:
    """Milliseconds of one request, the ETag, and the bytes that came."""
    request = Request(server.url + "/object_info", headers={"Accept-Encoding": "gzip", **headers})
    start = time.perf_counter()
    try:
        with urlopen(request, timeout=120) as answer:
            body, tag = answer.read(), answer.headers["ETag"]
    except HTTPError as error:  # 304
        with error:
            body, tag = b"", error.headers["ETag"]
    return (time.perf_counter() - start) * 1000, tag, len(body)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else NODES)
