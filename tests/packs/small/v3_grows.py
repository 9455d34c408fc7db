"""Autogrow inputs come as one dict."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.Autogrow.TemplatePrefix(io.Int.Input("value"), prefix="value", min=1, max=5)
        return io.Schema(node_id="v3_grows", inputs=[io.Autogrow.Input("values", template=template)], is_output_node=True)

    @classmethod
    def execute(cls, values):
        return io.NodeOutput(ui={"said": [sorted(values), sum(values.values())]})


NODE_CLASS_MAPPINGS = {"v3_grows": Node}
