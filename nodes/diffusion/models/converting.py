"""The throw-away process that turns a pickled file into safetensors: `python -m nodes.diffusion.models.converting FROM TO`.

It opens the two files, gives up everything else (`confined`), and only then reads. Its last line of output is JSON:
{"confined": [...]} or {"error": "..."}. Nothing here imports torch, so that it starts at once.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from nodes.diffusion.models.confined import confine
from nodes.diffusion.models.pickled import NotPickled, Pickled, contents

ALIGNMENT = 8


def main() -> int:
    """Convert; 0 if it worked."""
    source, target = map(Path, sys.argv[1:3])
    try:
        with source.open("rb") as read, target.open("wb") as written:
            means = confine()
            convert(read, written)
    except (NotPickled, OSError) as error:
        said = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        sys.stdout.write(json.dumps({"error": said}) + "\n")
        return 1
    sys.stdout.write(json.dumps({"confined": means}) + "\n")
    return 0


def convert(source: BinaryIO, target: BinaryIO) -> None:
    """Write a pickled file's tensors as safetensors, one after another: no more than one is in memory.

    Raises:
        NotPickled: it cannot be read. OSError: the disk is full.
    """
    found, facts = contents(source)
    order = sorted(found, key=lambda name: (-found[name].width, name))
    header = _header(found, order, facts)
    target.write(len(header).to_bytes(ALIGNMENT, "little") + header)
    target.writelines(found[name].read() for name in order)
    target.flush()
    os.fsync(target.fileno())


def _header(found: Mapping[str, Pickled], order: list[str], facts: Mapping[str, str]) -> bytes:
    said: dict[str, object] = {"__metadata__": {**facts, "format": "pt"}}
    end = 0
    for name in order:
        start, end = end, end + found[name].size
        said[name] = {
            "dtype": found[name].dtype,
            "shape": list(found[name].shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(said, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % ALIGNMENT)


if __name__ == "__main__":
    sys.exit(main())
