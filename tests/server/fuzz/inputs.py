"""What is mutated: prompts, workflows, frames, forms, pictures and headers that are right, and their mutated bytes."""

import gzip
import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from tests.server.api.asking import prompt
from tests.server.fuzz.mutations import Mutator

GOLDEN = Path(__file__).parents[2] / "data" / "golden"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
BOUNDARY = "weft-fuzz"
PROMPTS = (
    prompt(a=("Say", {"text": "x"}), b=("Show", {"value": ["a", 0]})),
    prompt(a=("Number", {"value": 3, "weight": 0.5, "on": True}), b=("Even", {"value": ["a", 0]}),
           c=("Show", {"value": ["b", 0]})),
    prompt(a=("Save", {"side": 4, "filename_prefix": "square"})),
    prompt(a=("Pick", {"image": "one.png", "mode": "a"}), b=("Show", {"value": ["a", 0]})),
    prompt(a=("Boom", {"text": "x"}), b=("Show", {"value": ["a", 0]}), c=("Say", {"text": "y"}),
           d=("Show", {"value": ["c", 0]})),
)  # fmt: skip
WORKFLOW = {
    "version": 0.4,
    "last_node_id": 3,
    "last_link_id": 2,
    "nodes": [
        {
            "id": 1,
            "type": "Say",
            "mode": 0,
            "inputs": [],
            "outputs": [{"name": "STRING", "type": "STRING", "links": [1]}],
            "widgets_values": ["x"],
        },
        {
            "id": 3,
            "type": "Reroute",
            "mode": 0,
            "inputs": [{"name": "", "type": "*", "link": 1}],
            "outputs": [{"name": "", "type": "*", "links": [2]}],
        },
        {
            "id": 2,
            "type": "Show",
            "mode": 0,
            "inputs": [{"name": "value", "type": "*", "link": 2}],
            "outputs": [],
            "widgets_values": [],
        },
    ],
    "links": [[1, 1, 0, 3, 0, "*"], [2, 3, 0, 2, 0, "*"]],
    "groups": [],
    "extra": {},
}
HELLO = {
    "type": "feature_flags",
    "data": {"supports_preview_metadata": True, "weft_events": {"server": "x", "seq": 3}},
}


def golden(name: str) -> dict[str, Any]:
    """Templates of the field, and the nodes that they use."""
    with gzip.open(GOLDEN / f"{name}.json.gz", "rt", encoding="utf-8") as file:
        return json.load(file)


def body(prompt: object) -> dict[str, object]:
    """What POST /prompt takes."""
    return {
        "prompt": prompt,
        "client_id": "fuzz",
        "extra_data": {"extra_pnginfo": {"workflow": {"nodes": []}}},
        "number": 1,
    }


def named(prompts: Mapping[str, Any], mutator: Mutator) -> Mapping[str, Any]:
    """The prompt, with a tricky name where a node writes a file."""
    if "filename_prefix" in prompts["a"]["inputs"]:
        return prompt(a=("Save", {"side": 4, "filename_prefix": mutator.name("square")}))
    return prompts


def form(mutator: Mutator, picture: bytes) -> tuple[bytes, str]:
    """A multipart form, and its content type."""
    fields = {
        "type": mutator.random.choice(("input", "output", "temp", "nowhere", str(mutator.odd())[:300])),
        "subfolder": mutator.name("sub"),
        "overwrite": mutator.random.choice(("true", "false", "1", str(mutator.odd())[:300])),
        "original_ref": mutator.json(
            {"filename": mutator.name("one.png"), "subfolder": "", "type": "input"}
        ).decode("latin-1"),
    }
    parts = [
        _part(
            f'name="image"; filename="{mutator.name("one.png")}"',
            mutator.random.choice((picture, picture[:20], b"")),
        ),
        *(_part(f'name="{name}"', value.encode(errors="replace")) for name, value in fields.items()),
    ]
    mutator.random.shuffle(parts)
    sent = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    if mutator.random.random() < 0.5:
        sent = mutator.bytes(sent)
    if mutator.random.random() < 0.05:
        kind = mutator.random.choice(
            (
                "multipart/form-data",
                "multipart/mixed; boundary=x",
                "application/json",
                f"{kind}x",
                "multipart/form-data; boundary=" + "b" * 100,
            )
        )
    return sent, kind


def _part(disposition: str, data: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n"
    return head.encode(errors="surrogateescape") + data + b"\r\n"


def picture() -> bytes:
    """A small PNG with the texts that the field puts into them."""
    rows = b"".join(b"\x00" + bytes(range(12)) for _ in range(3))
    texts = json.dumps(PROMPTS[0]).encode()
    return SIGNATURE + b"".join(
        chunk(kind, data)
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", 3, 3, 8, 6, 0, 0, 0)),
            (b"tEXt", b"prompt\x00" + texts),
            (b"zTXt", b"workflow\x00\x00" + zlib.compress(texts)),
            (b"iTXt", b"parameters\x00\x01\x00en\x00x\x00" + zlib.compress(texts)),
            (b"gAMA", struct.pack(">I", 45455)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG's chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def mutated_picture(mutator: Mutator) -> bytes:
    """A PNG whose chunks are wrong, in wrong order, far too large, or whose bytes are."""
    whole = picture()
    chunks = list(_chunks(whole))
    random = mutator.random
    for _ in range(random.choice((1, 1, 2, 3))):
        at = random.randrange(len(chunks))
        kind, data = chunks[at]
        match random.randrange(7):
            case 0:
                del chunks[at]
            case 1:
                chunks.insert(random.randrange(len(chunks)), (kind, data))
            case 2:
                chunks[at] = (kind, mutator.bytes(data))
            case 3:
                chunks[at] = (
                    random.choice(
                        (
                            b"tEXt",
                            b"zTXt",
                            b"iTXt",
                            b"iCCP",
                            b"PLTE",
                            b"tRNS",
                            b"eXIf",
                            b"acTL",
                            b"\x00\x00\x00\x00",
                        )
                    ),
                    data,
                )
            case 4:
                sides = (0, 1, 3, 65535, 2**31 - 1, 2**32 - 1)
                rest = (
                    random.choice((1, 2, 4, 8, 16, 77)),
                    random.randrange(8),
                    random.randrange(3),
                    0,
                    random.randrange(3),
                )
                chunks[0] = (
                    b"IHDR",
                    struct.pack(">IIBBBBB", random.choice(sides), random.choice(sides), *rest),
                )
            case 5:
                chunks[at] = (b"zTXt", b"workflow\x00\x00" + zlib.compress(b"[" * 3_000_000))
            case _:
                random.shuffle(chunks)
        if not chunks:
            return SIGNATURE
    made = SIGNATURE + b"".join(chunk(kind, data) for kind, data in chunks)
    return mutator.bytes(made) if random.random() < 0.4 else made


def _chunks(whole: bytes) -> Any:
    at = len(SIGNATURE)
    while at < len(whole):
        (length,) = struct.unpack(">I", whole[at : at + 4])
        yield whole[at + 4 : at + 8], whole[at + 8 : at + 8 + length]
        at += 12 + length


def weights(mutator: Mutator) -> bytes:
    """A safetensors file whose header is wrong."""
    header = {
        "__metadata__": {"modelspec.title": "x", "ss_tag_frequency": "{}"},
        "lora_unet_x.lora_up.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
        "lora_unet_x.lora_down.weight": {"dtype": "F16", "shape": [2, 2], "data_offsets": [16, 24]},
        "lora_unet_x.alpha": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]},
    }
    text = mutator.json(header)
    sizes = (
        len(text),
        len(text),
        len(text),
        0,
        1,
        len(text) - 1,
        2**31,
        2**63,
        2**64 - 1,
        mutator.random.randrange(1000),
    )
    made = struct.pack("<Q", max(0, mutator.random.choice(sizes))) + text + bytes(26)
    return mutator.bytes(made) if mutator.random.random() < 0.3 else made


def frame(random: Random, data: bytes) -> bytes:
    """A websocket frame as no honest client sends it: wrong bits, lengths, masks."""
    first = random.choice(
        (0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88, 0xC1, 0xF1, 0x83, 0x8B, 0xFF, random.randrange(256))
    )
    masked = random.choice((0x80, 0x80, 0x80, 0))
    match random.randrange(4):
        case 0:
            length = bytes([masked | min(len(data), 125)])
        case 1:
            length = bytes([masked | 126]) + struct.pack(">H", min(len(data), 65535))
        case 2:
            length = bytes([masked | 127]) + struct.pack(
                ">Q", random.choice((len(data), 2**31, 2**63, 2**64 - 1))
            )
        case _:
            length = random.randbytes(random.choice((1, 3, 9)))
    return bytes([first]) + length + random.randbytes(4) + data
