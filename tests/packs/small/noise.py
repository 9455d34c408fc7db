"""comfy.sample.prepare_noise: the field's draws, item by item."""
import comfy.sample
import torch


class Noise:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        latents = torch.zeros(2, 4, 8, 8)
        noise = comfy.sample.prepare_noise(latents, 7)
        by_hand = torch.randn(latents.shape, generator=torch.manual_seed(7))
        picked = comfy.sample.prepare_noise(torch.zeros(3, 4, 8, 8), 7, [1, 0, 1])
        said = [
            torch.equal(noise, by_hand),
            torch.equal(picked[0], picked[2]),
            torch.equal(picked[1], comfy.sample.prepare_noise(torch.zeros(1, 4, 8, 8), 7)[0]),
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"noise": Noise}
