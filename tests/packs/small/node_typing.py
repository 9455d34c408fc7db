"""comfy.comfy_types: IO names and ComfyNodeABC for typed nodes."""
from comfy.comfy_types import IO, ComfyNodeABC, InputTypeDict


class Typed(ComfyNodeABC):
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> InputTypeDict:
        return {"required": {"value": (IO.INT, {"default": 4}), "any": (IO.ANY, {})}}

    def run(self, value, any):
        return {"ui": {"said": [value, any, IO.ANY == "*", not IO.ANY != "IMAGE"]}}


NODE_CLASS_MAPPINGS = {"node_typing": Typed}
