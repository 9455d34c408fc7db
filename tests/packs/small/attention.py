"""optimized_attention and its kin: plain attention over heads."""
import torch
from comfy.ldm.modules.attention import attention_pytorch, optimized_attention, optimized_attention_masked


class Attends:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        q, k, v = torch.randn(3, 2, 5, 8, generator=torch.Generator().manual_seed(2))
        split = lambda tensor: tensor.view(2, 5, 2, 4).transpose(1, 2)
        plain = torch.nn.functional.scaled_dot_product_attention(split(q), split(k), split(v))
        plain = plain.transpose(1, 2).reshape(2, 5, 8)
        found = [attend(q, k, v, 2) for attend in (optimized_attention, attention_pytorch, optimized_attention_masked)]
        return {"ui": {"said": [all(torch.allclose(made, plain, atol=1e-5) for made in found), list(found[0].shape)]}}


NODE_CLASS_MAPPINGS = {"attention": Attends}
