"""Autogrow inputs with names of their own."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.Autogrow.TemplateNames(io.Int.Input("value"), names=["a", "b", "c"], min=1)
        return io.Schema(node_id="v3_names_grow", inputs=[io.Autogrow.Input("values", template=template)], is_output_node=True)

    @classmethod
    def execute(cls, values):
        return io.NodeOutput(ui={"said": [sorted(values)]})


NODE_CLASS_MAPPINGS = {"v3_names_grow": Node}
