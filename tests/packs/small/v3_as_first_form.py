"""A newer class read as one of the first form: INPUT_TYPES and its kin are there."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="v3_as_first_form",
            category="small",
            inputs=[io.Int.Input("value", default=2)],
            outputs=[io.Int.Output("n", display_name="number")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, value):
        said = [cls.RETURN_TYPES, cls.RETURN_NAMES, cls.OUTPUT_NODE, cls.CATEGORY, cls.FUNCTION]
        said.append(cls.INPUT_TYPES()["required"]["value"][0])
        return io.NodeOutput(value, ui={"said": said})


NODE_CLASS_MAPPINGS = {"v3_as_first_form": Node}
