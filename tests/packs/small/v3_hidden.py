"""cls.hidden: what a newer node asked for, and None for the rest."""
from comfy_api.latest import io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_hidden", hidden=[io.Hidden.unique_id, io.Hidden.prompt], is_output_node=True)

    @classmethod
    def execute(cls):
        hidden = cls.hidden
        return io.NodeOutput(ui={"said": [hidden.unique_id, list(hidden.prompt), hidden.dynprompt]})


NODE_CLASS_MAPPINGS = {"v3_hidden": Node}
