"""Where a result comes from: the job and every node that had a part in it; what the record in a file is called."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from nodes.spec.sockets import Json

RECORD = "weft"  # the text chunk, beside `prompt` and `workflow`, that holds the record
RECORD_VERSION = 1


@dataclass(frozen=True, slots=True)
class Maker:
    """A node that had a part in a result.

    Attributes:
        node: its id in the running graph.
        type: its class type.
        inputs: its constants by name; links are left out.
        folders: for inputs that choose a file, the folder key by the input's name.
        seeds: names of inputs that are seeds.
        module, version: of its `NodeSpec`.
        known: whether somebody brought the class.
    """

    node: str
    type: str
    inputs: Mapping[str, Json]
    folders: Mapping[str, str] = field(default_factory=dict[str, str])
    seeds: tuple[str, ...] = ()
    module: str = ""
    version: str = ""
    known: bool = True


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where what a node is given comes from.

    Attributes:
        job: id of the running job; empty when a question is asked outside of one.
        node: the node itself, by its id in the running graph.
        call: which call of it, where lists make several.
        makers: it and all that it depends on, in the order of their ids.
    """

    job: str
    node: str
    call: int
    makers: tuple[Maker, ...]


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file that a record names: its folder key and name, its bytes, and the hash of its content ("" if unknown)."""

    folder: str
    name: str
    size: int = 0
    sha256: str = ""


def pixel_hash(width: int, height: int, rgba: bytes) -> str:
    """SHA-256 over a picture's size and its decoded pixels: what tells an edited picture, however it is packed.

    Args:
        rgba: 8 bits each of red, green, blue and alpha, row by row from the top; `width * height * 4` bytes.
    """
    digest = hashlib.sha256(f"{width}x{height}\n".encode())
    digest.update(rgba)
    return digest.hexdigest()
