"""ProgressBar: steps counted, a picture told, and the global hook left alone."""
import comfy.utils
import latent_preview
import torch
from PIL import Image


class Steps:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        bar = comfy.utils.ProgressBar(4)
        bar.update(1)
        bar.update_absolute(3, preview=("JPEG", Image.new("RGB", (8, 8)), 512))
        bar.update_absolute(9)
        return {"ui": {"said": [bar.current, bar.total, comfy.utils.PROGRESS_BAR_ENABLED]}}


NODE_CLASS_MAPPINGS = {"progress": Steps}
