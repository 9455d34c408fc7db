"""`comfy_api.latest.io`: the second form of the protocol. A class's schema, its inputs, outputs and what it returns."""

from nodes.compat.names.comfy_api.latest.inputs import Input, Output, WidgetInput
from nodes.compat.names.comfy_api.latest.kinds import (
    PLAIN,
    Autogrow,
    Boolean,
    Combo,
    ComfyTypeI,
    ComfyTypeIO,
    Custom,
    DynamicCombo,
    Float,
    Int,
    MatchType,
    MultiCombo,
    MultiType,
    String,
    comfytype,
)
from nodes.compat.names.comfy_api.latest.node import ComfyNode, NodeOutput, Schema
from nodes.compat.names.comfy_api.latest.options import (
    ControlAfterGenerate,
    FolderType,
    Hidden,
    NumberDisplay,
    RemoteOptions,
    UploadType,
)

__all__ = [
    "Autogrow",
    "Boolean",
    "Combo",
    "ComfyNode",
    "ComfyTypeI",
    "ComfyTypeIO",
    "ControlAfterGenerate",
    "Custom",
    "DynamicCombo",
    "Float",
    "FolderType",
    "Hidden",
    "Input",
    "Int",
    "MatchType",
    "MultiCombo",
    "MultiType",
    "NodeOutput",
    "NumberDisplay",
    "Output",
    "RemoteOptions",
    "Schema",
    "String",
    "UploadType",
    "WidgetInput",
    "comfytype",
]


def __getattr__(name):
    """Kinds of values that have nothing of their own: `Image`, `Model`..."""
    try:
        return PLAIN[name]
    except KeyError:
        raise AttributeError(f"comfy_api.latest.io has no {name}.") from None
