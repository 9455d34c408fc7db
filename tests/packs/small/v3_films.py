"""VideoFromComponents: frames, a rate, and what is told of them."""
from fractions import Fraction

import torch
from comfy_api.latest import InputImpl, Types, io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_films", is_output_node=True)

    @classmethod
    def execute(cls):
        parts = Types.VideoComponents(images=torch.zeros(6, 16, 32, 3), frame_rate=Fraction(3), audio=None)
        film = InputImpl.VideoFromComponents(parts)
        back = film.get_components()
        said = [film.get_dimensions(), film.get_duration(), list(back.images.shape), str(back.frame_rate)]
        return io.NodeOutput(ui={"said": said})


NODE_CLASS_MAPPINGS = {"v3_films": Node}
