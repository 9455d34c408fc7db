"""Built-in latent nodes called from Python: batch numbers, masks, empty latents."""
import nodes
import torch


class Latents:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        empty = nodes.EmptyLatentImage().generate(64, 32, 4)[0]
        part = nodes.LatentFromBatch().frombatch(empty, 2, 5)[0]
        twice = nodes.RepeatLatentBatch().repeat({"samples": torch.zeros(2, 4, 4, 8), "batch_index": [3, 4]}, 2)[0]
        masked = nodes.SetLatentNoiseMask().set_mask(empty, torch.ones(64, 32))[0]
        larger = nodes.LatentUpscaleBy().upscale(empty, "bislerp", 1.5)[0]
        said = [
            list(empty["samples"].shape),
            empty.get("downscale_ratio_spacial"),
            part["batch_index"],
            twice["batch_index"],
            list(masked["noise_mask"].shape),
            list(larger["samples"].shape),
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"latents_of_built_ins": Latents}
