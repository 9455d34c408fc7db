"""Lists in and out of newer nodes."""
from comfy_api.latest import io


class Gives(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_lists.gives", outputs=[io.Int.Output(is_output_list=True)])

    @classmethod
    def execute(cls):
        return io.NodeOutput([1, 2, 3])


class Takes(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_lists", inputs=[io.Int.Input("values")], is_input_list=True, is_output_node=True)

    @classmethod
    def execute(cls, values):
        return io.NodeOutput(ui={"said": values})


NODE_CLASS_MAPPINGS = {"v3_lists.gives": Gives, "v3_lists": Takes}
