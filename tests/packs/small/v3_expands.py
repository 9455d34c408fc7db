"""A newer node that becomes others, and one that blocks."""
from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder


class Expands(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_expands.gives", outputs=[io.Int.Output(), io.Int.Output()], enable_expand=True)

    @classmethod
    def execute(cls):
        graph = GraphBuilder()
        inner = graph.node("v3_expands.five")
        return io.NodeOutput(inner.out(0), inner.out(0), expand=graph.finalize())


class Five(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_expands.five", outputs=[io.Int.Output()])

    @classmethod
    def execute(cls):
        return io.NodeOutput(5)


class Blocks(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_expands.blocks", outputs=[io.Int.Output()])

    @classmethod
    def execute(cls):
        return io.NodeOutput(block_execution="not now")


class Shows(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_expands", inputs=[io.Int.Input("value")], is_output_node=True)

    @classmethod
    def execute(cls, value):
        return io.NodeOutput(ui={"said": [value]})


NODE_CLASS_MAPPINGS = {node.define_schema().node_id: node for node in (Expands, Five, Blocks, Shows)}
