"""What the first form of the protocol allows, node by node."""

import asyncio
import os

import comfy.model_management
import comfy.utils
import folder_paths
from comfy_execution.graph_utils import ExecutionBlocker, GraphBuilder

import nodes

from .tools import shout

PRESTARTED = os.environ.get("WEFT_TEST_PRESTARTED")
WEB_DIRECTORY = "./web"
MAX = nodes.MAX_RESOLUTION


class AnyType(str):
    def __ne__(self, other):
        return False


class Anything(dict):
    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        return dict.get(self, key, (AnyType("*"),))


class Counter:
    """Keeps state per node."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "hidden": {"me": "UNIQUE_ID"}}

    RETURN_TYPES = ("INT", "STRING")
    FUNCTION = "run"
    NOT_IDEMPOTENT = True

    def __init__(self):
        self.count = 0

    def run(self, me):
        self.count += 1
        return (self.count, me)


class Files:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"lora": (folder_paths.get_filename_list("loras"), {"tooltip": "which"})}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, lora):
        return {"ui": {"text": (folder_paths.get_full_path("loras", lora),)}}


class Lists:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("INT", {"forceInput": True}), "by": ("INT",)}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    INPUT_IS_LIST = True
    OUTPUT_IS_LIST = (True,)

    def run(self, values, by):
        return ([value + by[0] for value in values],)


class LazySwitch:
    @classmethod
    def INPUT_TYPES(cls):
        lazy = {"lazy": True}
        return {"required": {"first": ("BOOLEAN",), "a": (AnyType("any"), lazy), "b": (AnyType("any"), lazy)}}

    RETURN_TYPES = (AnyType("any"),)
    FUNCTION = "run"

    def check_lazy_status(self, first, a=None, b=None):
        return ["a"] if first else ["b"]

    def run(self, first, a=None, b=None):
        return (a if first else b,)


class Blocks:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING",)}, "optional": Anything()}

    RETURN_TYPES = ("STRING", "STRING")
    FUNCTION = "run"

    def run(self, text, **more):
        return (ExecutionBlocker(text), shout(text) + ",".join(sorted(more)))


class Expands:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT",)}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self, value):
        graph = GraphBuilder()
        inner = graph.node("Double", value=value)
        return {"result": (inner.out(0),), "expand": graph.finalize()}


class Steps:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"mode": ("COMBO", {"options": ["a", "b"]})}}

    RETURN_TYPES = ("INT",)
    RETURN_NAMES = ("steps",)
    FUNCTION = "run"

    @classmethod
    def IS_CHANGED(cls, mode):
        return float("nan") if mode == "b" else mode

    @classmethod
    def VALIDATE_INPUTS(cls, mode):
        return True if mode != "b" else "not b"

    def run(self, mode):
        bar = comfy.utils.ProgressBar(3)
        for _ in range(3):
            try:
                bar.update(1)
            except Exception:
                pass  # as packs do; Stop passes through nevertheless
            comfy.model_management.throw_exception_if_processing_interrupted()
        return (3,)


class Waits:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    async def run(self):
        await asyncio.sleep(0)
        return ("waited",)


class Broken:
    @classmethod
    def INPUT_TYPES(cls):
        raise RuntimeError("the description is broken")

    FUNCTION = "run"

    def run(self):
        return ()


NODE_CLASS_MAPPINGS = {
    made.__name__: made
    for made in (Counter, Files, Lists, LazySwitch, Blocks, Expands, Steps, Waits, Broken)
}
NODE_DISPLAY_NAME_MAPPINGS = {"Counter": "Count up"}
