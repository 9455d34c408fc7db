"""What packs cost: starts with 0, 30 and 100 of them, the time to import each, and their nodes against built-in ones.

Run `python -m tests.bench.packs [NODES]`. The packs are copies of the small ones in `tests/packs/small`, some of them twice;
chains of a pack's node and of a built-in one of the same work take turns, in one server.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.serving import Server, serving

SMALL = Path(__file__).parents[1] / "packs" / "small"
COUNTS = (0, 30, 100)
TURNS = 5
JOINS = '''"""Joins words as StringConcatenate does."""


class Joins:
    INPUT_TYPES = classmethod(
        lambda cls: {"required": {name: ("STRING", {}) for name in ("string_a", "string_b", "delimiter")}}
    )
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self, string_a, string_b, delimiter):
        return (delimiter.join((string_a, string_b)),)


NODE_CLASS_MAPPINGS = {"BenchJoins": Joins}
'''


def main(nodes: int) -> None:
    """Print starts, the slowest imports, and the ratio of chains."""
    os.environ["WEFT_TRUST_ALL"] = "1"
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            put(Path(folder) / "custom_nodes", count)
            started = time.perf_counter()
            with serving(Path(folder), "--cpu") as server:
                server.get("/object_info")
                print(f"{count:>4} packs: list of nodes after {time.perf_counter() - started:.2f} s")
                if count == COUNTS[-1]:
                    imports(server)
                    chains(server, nodes)


def put(folder: Path, count: int) -> None:
    """That many packs, and the one whose node is measured."""
    folder.mkdir(parents=True)
    files = sorted(path for path in SMALL.glob("*.py"))
    for index in range(count):
        file = files[index % len(files)]
        shutil.copy(file, folder / f"pack_{index}_{file.name}")
    if count:
        (folder / "joins.py").write_text(JOINS)


def imports(server: Server) -> None:
    """How long packs took to import."""
    seconds = sorted((pack["seconds"] for pack in server.get("/api/weft/packs") if pack["ok"]), reverse=True)
    print(
        f"import: median {median(seconds) * 1000:.1f} ms, most {seconds[0] * 1000:.0f} ms, all {sum(seconds):.2f} s"
    )


def chains(server: Server, nodes: int) -> None:
    """Chains of built-in nodes and of the pack's, by turns."""
    taken: dict[str, list[float]] = {"StringConcatenate": [], "BenchJoins": []}
    for turn in range(TURNS + 1):
        for type, times in taken.items():
            started = time.perf_counter()
            entry = server.run(chain(type, nodes, f"{type} {turn}"))
            if entry["status"]["status_str"] != "success":
                raise SystemExit(f"The chain of {type} failed: {entry['status']['messages']}")
            if turn:  # the first warms up
                times.append(time.perf_counter() - started)
    ours, theirs = (median(times) / nodes * 1e6 for times in taken.values())
    print(f"a node, of {nodes}: built in {ours:.0f} us, of a pack {theirs:.0f} us, ratio {theirs / ours:.3f}")


def chain(type: str, nodes: int, word: str) -> dict[str, dict[str, object]]:
    """Each adds an empty word to what the one before it gives."""
    prompt: dict[str, dict[str, object]] = {}
    for index in range(nodes):
        before: object = [str(index - 1), 0] if index else word
        inputs = {"string_a": before, "string_b": str(index % 7), "delimiter": ""}
        prompt[str(index)] = {"class_type": type, "inputs": inputs}
    prompt["out"] = {"class_type": "PreviewAny", "inputs": {"source": [str(nodes - 1), 0]}}
    return prompt


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
