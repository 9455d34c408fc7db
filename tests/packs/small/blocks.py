"""ExecutionBlocker(None) blocks in silence what hangs on that output."""
from comfy_execution.graph import ExecutionBlocker


class Blocks:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ("INT", "INT")
    FUNCTION = "run"

    def run(self):
        return (ExecutionBlocker(None), 4)


class Shows:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value):
        return {"ui": {"said": [value]}}


NODE_CLASS_MAPPINGS = {"blocks.gives": Blocks, "blocks": Shows}
