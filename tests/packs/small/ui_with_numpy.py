"""What a node shows may hold numbers of numpy and torch."""
import numpy
import torch


class Shows:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [numpy.float32(0.5), numpy.int64(3), torch.tensor(2).item()]}}


NODE_CLASS_MAPPINGS = {"ui_with_numpy": Shows}
