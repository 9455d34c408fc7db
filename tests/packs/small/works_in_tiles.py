"""tiled_scale joins what a function makes of tiles."""
import comfy.utils
import torch


class Tiles:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        image = torch.rand(1, 3, 40, 56)
        bar = comfy.utils.ProgressBar(comfy.utils.get_tiled_scale_steps(56, 40, 16, 16, 4))
        double = lambda tile: tile.repeat_interleave(2, -1).repeat_interleave(2, -2)
        made = comfy.utils.tiled_scale(image, double, 16, 16, 4, upscale_amount=2, pbar=bar)
        steps = comfy.utils.get_tiled_scale_steps(128, 64, 64, 64, 8)
        return {"ui": {"said": [list(made.shape), torch.allclose(made, double(image), atol=1e-5), bar.current == bar.total, steps]}}


NODE_CLASS_MAPPINGS = {"works_in_tiles": Tiles}
