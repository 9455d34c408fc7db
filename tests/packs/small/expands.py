"""A node becomes nodes: GraphBuilder, with links between them and to their own outputs."""
from comfy_execution.graph_utils import GraphBuilder


class Adds:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"a": ("INT", {}), "b": ("INT", {})}})
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self, a, b):
        return (a + b,)


class Sums:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"count": ("INT", {"default": 4})}})
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self, count):
        graph = GraphBuilder()
        total = 0
        for value in range(1, count + 1):
            total = graph.node("expands.adds", a=total, b=value).out(0)
        return {"result": (total,), "expand": graph.finalize()}


class Shows:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value):
        return {"ui": {"said": [value]}}


NODE_CLASS_MAPPINGS = {"expands.adds": Adds, "expands.sums": Sums, "expands": Shows}
