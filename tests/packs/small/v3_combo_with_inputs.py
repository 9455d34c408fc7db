"""DynamicCombo: each choice brings inputs of its own."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        options = [
            io.DynamicCombo.Option("size", [io.Int.Input("width"), io.Int.Input("height")]),
            io.DynamicCombo.Option("factor", [io.Float.Input("by")]),
        ]
        return io.Schema(node_id="v3_combo_with_inputs", inputs=[io.DynamicCombo.Input("mode", options=options)], is_output_node=True)

    @classmethod
    def execute(cls, mode):
        return io.NodeOutput(ui={"said": [sorted(mode.items())]})


NODE_CLASS_MAPPINGS = {"v3_combo_with_inputs": Node}
