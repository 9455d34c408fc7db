"""validate_inputs and fingerprint_inputs of a newer node."""
from comfy_api.latest import io

RUNS = []


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_checks", inputs=[io.Int.Input("value")], is_output_node=True)

    @classmethod
    def validate_inputs(cls, value):
        return True if value != 13 else "not thirteen"

    @classmethod
    def fingerprint_inputs(cls, value):
        return len(RUNS) if value == 2 else 0

    @classmethod
    def execute(cls, value):
        RUNS.append(value)
        return io.NodeOutput(ui={"said": [RUNS.count(value)]})


NODE_CLASS_MAPPINGS = {"v3_checks": Node}
