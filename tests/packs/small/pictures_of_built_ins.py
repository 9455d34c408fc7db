"""Built-in picture nodes called from Python, newer ones in every way."""
import nodes
import torch
from comfy_extras.nodes_compositing import JoinImageWithAlpha
from comfy_extras.nodes_mask import GrowMask, composite


class Pictures:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        image, mask = torch.ones(1, 8, 8, 3), torch.zeros(1, 9, 9)
        mask[:, 4, 4] = 1
        (scaled,) = nodes.ImageScaleBy().upscale(image, "area", 0.5)
        (batch,) = nodes.ImageBatch().batch(image, scaled)
        by_method = GrowMask().expand_mask(mask, 1, True)[0]
        (by_execute,) = GrowMask.execute(mask, 1, True)
        joined = JoinImageWithAlpha.execute(image, torch.zeros(1, 8, 8))[0]
        put = composite(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 2, 2), 0, 0, multiplier=1)
        said = [
            list(scaled.shape),
            list(batch.shape),
            float(by_method.sum()),
            torch.equal(by_method, by_execute),
            list(joined.shape),
            float(put.sum()),
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"pictures_of_built_ins": Pictures}
