"""common_upscale gives what our ImageScale gives, for every method."""
import comfy.utils
import nodes
import torch


class Scales:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        image = torch.rand(1, 6, 9, 3, generator=torch.Generator().manual_seed(1))
        same = []
        for method in nodes.ImageScale.upscale_methods:
            for crop in nodes.ImageScale.crop_methods:
                ours = nodes.ImageScale().upscale(image, method, 12, 4, crop)[0]
                theirs = comfy.utils.common_upscale(image.movedim(-1, 1), 12, 4, method, crop).movedim(1, -1)
                same.append(torch.equal(ours, theirs))
        return {"ui": {"said": [len(same), all(same)]}}


NODE_CLASS_MAPPINGS = {"scales_as_built_in": Scales}
