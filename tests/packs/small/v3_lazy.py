"""Lazy inputs of a newer node."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Boolean.Input("first"), io.Int.Input("a", lazy=True), io.Int.Input("b", lazy=True)]
        return io.Schema(node_id="v3_lazy", inputs=inputs, is_output_node=True)

    @classmethod
    def check_lazy_status(cls, first, a=None, b=None):
        return ["a"] if first and a is None else ["b"] if not first and b is None else []

    @classmethod
    def execute(cls, first, a=None, b=None):
        return io.NodeOutput(ui={"said": [a, b]})


NODE_CLASS_MAPPINGS = {"v3_lazy": Node}
