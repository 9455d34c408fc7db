"""comfy.ops: layers for networks of a pack's own."""
import comfy.ops
import torch


class Own(torch.nn.Module):
    def __init__(self, ops):
        super().__init__()
        self.line, self.norm = ops.Linear(4, 6), ops.LayerNorm(6)

    def forward(self, x):
        return self.norm(self.line(x))


class Layers:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        shapes = []
        for ops in (comfy.ops.manual_cast, comfy.ops.disable_weight_init):
            net = Own(ops)
            net.load_state_dict({name: torch.ones_like(value) for name, value in net.state_dict().items()})
            shapes.append(list(net(torch.ones(2, 4)).shape))
        half = comfy.ops.manual_cast.Linear(2, 2, dtype=torch.float16)
        torch.nn.init.ones_(half.weight), torch.nn.init.zeros_(half.bias)
        return {"ui": {"said": [shapes, half(torch.ones(1, 2)).tolist()]}}


NODE_CLASS_MAPPINGS = {"layers_of_ops": Layers}
