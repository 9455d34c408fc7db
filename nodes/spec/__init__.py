"""The contract between the server and the nodes: what a node declares, and what it may ask for."""

from nodes.spec.context import Context, Preview
from nodes.spec.dynamic import (
    AUTOGROW,
    DYNAMIC_COMBO,
    Autogrow,
    DynamicCombo,
    combo_keys,
    read_input,
    slot_names,
)
from nodes.spec.errors import NodeError, SpecError, Stopped
from nodes.spec.files import PARTIAL, Files, Place, SaveSlot
from nodes.spec.lineage import RECORD, RECORD_VERSION, Lineage, Maker, RecordedFile, pixel_hash
from nodes.spec.node import Blocker, Node, NodeSpec, Result, node
from nodes.spec.packages import package_of
from nodes.spec.packing import Codec, Packed, Part, PlainCodec, Unstorable
from nodes.spec.plain import is_plain, plain
from nodes.spec.registry import Registry
from nodes.spec.replacement import Replacement
from nodes.spec.sockets import (
    ANY,
    MATCH,
    Boolean,
    Choices,
    Combo,
    Float,
    Hidden,
    InputSpec,
    Int,
    Json,
    Marker,
    Out,
    OutputSpec,
    Section,
    Socket,
    String,
    compatible,
)

__all__ = [
    "ANY",
    "AUTOGROW",
    "DYNAMIC_COMBO",
    "MATCH",
    "PARTIAL",
    "RECORD",
    "RECORD_VERSION",
    "Autogrow",
    "Blocker",
    "Boolean",
    "Choices",
    "Codec",
    "Combo",
    "Context",
    "DynamicCombo",
    "Files",
    "Float",
    "Hidden",
    "InputSpec",
    "Int",
    "Json",
    "Lineage",
    "Maker",
    "Marker",
    "Node",
    "NodeError",
    "NodeSpec",
    "Out",
    "OutputSpec",
    "Packed",
    "Part",
    "Place",
    "PlainCodec",
    "Preview",
    "RecordedFile",
    "Registry",
    "Replacement",
    "Result",
    "SaveSlot",
    "Section",
    "Socket",
    "SpecError",
    "Stopped",
    "String",
    "Unstorable",
    "combo_keys",
    "compatible",
    "is_plain",
    "node",
    "package_of",
    "pixel_hash",
    "plain",
    "read_input",
    "slot_names",
]
