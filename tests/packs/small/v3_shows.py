"""ui of a newer node: texts and pictures."""
import torch
from comfy_api.latest import io, ui


class Text(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_shows.text", is_output_node=True)

    @classmethod
    def execute(cls):
        return io.NodeOutput(ui=ui.PreviewText("read this"))


class Picture(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_shows.picture", is_output_node=True)

    @classmethod
    def execute(cls):
        return io.NodeOutput(ui=ui.PreviewImage(torch.zeros(1, 8, 8, 3), cls=cls))


NODE_CLASS_MAPPINGS = {"v3_shows.text": Text, "v3_shows.picture": Picture}
