"""Newer classes in NODE_CLASS_MAPPINGS."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_by_mappings", inputs=[io.String.Input("text")], outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, text):
        return {"ui": {"said": [text]}}


NODE_CLASS_MAPPINGS = {"v3_by_mappings": Node}
