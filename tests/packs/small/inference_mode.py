"""Nodes run without gradients, and may ask for them."""
import torch


class Grad:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        with torch.inference_mode(False), torch.enable_grad():
            value = torch.ones(1, requires_grad=True)
            (value * 3).sum().backward()
        return {"ui": {"said": [torch.is_inference_mode_enabled(), value.grad.item()]}}


NODE_CLASS_MAPPINGS = {"inference_mode": Grad}
