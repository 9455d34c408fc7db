"""A newer class whose schema names an input twice is left out, and its neighbour stays."""
from comfy_api.latest import io


class Twice(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_broken_schema.twice", inputs=[io.Int.Input("a"), io.Int.Input("a")])

    @classmethod
    def execute(cls, a):
        return io.NodeOutput()


class Whole(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_broken_schema", is_output_node=True)

    @classmethod
    def execute(cls):
        return io.NodeOutput(ui={"said": ["whole"]})


NODE_CLASS_MAPPINGS = {"v3_broken_schema.twice": Twice, "v3_broken_schema": Whole}
