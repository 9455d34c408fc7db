"""comfy.nested_tensor and pack_latents."""
import comfy.utils
import torch
from comfy.nested_tensor import NestedTensor


class Nests:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        parts = [torch.ones(1, 4, 2, 2), torch.ones(1, 2, 3)]
        nested = NestedTensor(parts)
        flat, shapes = comfy.utils.pack_latents(parts)
        back = comfy.utils.unpack_latents(flat, shapes)
        said = [nested.is_nested, len(nested.unbind()), list(flat.shape), [list(part.shape) for part in back]]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"many_sizes_in_one": Nests}
