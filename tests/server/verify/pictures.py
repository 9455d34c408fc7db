"""Pictures with and without a record, for the tests of `weft verify`."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from nodes.spec import RECORD, pixel_hash

LARGEST = 2**64 - 1
PROMPT: dict[str, Any] = {
    "1": {"class_type": "Load", "inputs": {"name": "a.safetensors"}},
    "2": {"class_type": "Draw", "inputs": {"model": ["1", 0], "seed": LARGEST}},
    "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
}
HASH = hashlib.sha256(b"weights").hexdigest()


def record(**changes: Any) -> dict[str, Any]:
    """A record as Weft writes it."""
    return {
        "version": 1,
        "job": "job",
        "node": "3",
        "call": 0,
        "index": 0,
        "count": 2,
        "versions": {"weft": "0.1.0", "torch": "2.9.0", "diffusers": "0.35", "python": "3.12.1"},
        "machine": {"device": "cpu", "name": "A processor", "capability": "AVX2", "threads": 2},
        "dtypes": {"network": "float32"},
        "nodes": {
            "Load": {"module": "nodes", "version": "l1"},
            "Draw": {"module": "custom_nodes.drawers", "version": "d1"},
        },
        "files": [
            {"folder": "checkpoints", "name": "a.safetensors", "size": 7, "sha256": HASH, "nodes": ["1"]}
        ],
        "seeds": {"2.seed": str(LARGEST)},
    } | changes


def save(
    path: Path,
    told: Mapping[str, Any] | None,
    prompt: Mapping[str, Any] | None = PROMPT,
    colour: str = "teal",
    texts: Mapping[str, str] | None = None,
) -> Path:
    """A small picture with these chunks; the record's hashes are put in as Weft does it."""
    picture = Image.new("RGB", (6, 4), colour)
    chunks = PngInfo()
    said = None if prompt is None else json.dumps(prompt)
    if said is not None:
        chunks.add_text("prompt", said)
    if told is not None:
        seals = {"pixels": pixel_hash(6, 4, picture.convert("RGBA").tobytes())}
        if said is not None:
            seals["prompt"] = hashlib.sha256(said.encode()).hexdigest()
        chunks.add_text(RECORD, json.dumps({**seals, **told}))
    for name, text in (texts or {}).items():
        chunks.add_text(name, text)
    picture.save(path, pnginfo=chunks)
    return path
