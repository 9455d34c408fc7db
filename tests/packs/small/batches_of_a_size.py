"""repeat_to_batch_size and resize_to_batch_size."""
import comfy.utils
import torch


class Sizes:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        batch = torch.arange(3.0).view(3, 1)
        flat = lambda tensor: tensor.flatten().tolist()
        repeat, resize = comfy.utils.repeat_to_batch_size, comfy.utils.resize_to_batch_size
        return {"ui": {"said": [flat(repeat(batch, 5)), flat(repeat(batch, 2)), flat(resize(batch, 5))]}}


NODE_CLASS_MAPPINGS = {"batches_of_a_size": Sizes}
