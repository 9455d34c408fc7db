"""accept_all_inputs: what nobody declared comes too."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_takes_all", inputs=[io.Int.Input("a")], accept_all_inputs=True, is_output_node=True)

    @classmethod
    def execute(cls, a, **more):
        return io.NodeOutput(ui={"said": [a, sorted(more.items())]})


NODE_CLASS_MAPPINGS = {"v3_takes_all": Node}
