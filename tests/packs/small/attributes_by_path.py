"""get_attr and set_attr by dotted names, on a network."""
import comfy.utils
import torch


class Attributes:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        net = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 3)))
        before = comfy.utils.set_attr(net, "0.0.mark", "set") if hasattr(net[0][0], "mark") else None
        net[0][0].mark = "first"
        before = comfy.utils.set_attr(net, "0.0.mark", "second")
        return {"ui": {"said": [before, comfy.utils.get_attr(net, "0.0.mark"), list(comfy.utils.get_attr(net, "0.0.weight").shape)]}}


NODE_CLASS_MAPPINGS = {"attributes_by_path": Attributes}
