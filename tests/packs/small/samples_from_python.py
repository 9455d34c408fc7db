"""Load, encode, sample and decode by built-in classes: what the graph of the same nodes gives."""
import nodes
import torch


class Samples:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"image": ("IMAGE",)}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, image):
        model, clip, vae = nodes.CheckpointLoaderSimple().load_checkpoint("weft-starter-v0")
        words = [nodes.CLIPTextEncode().encode(clip, text)[0] for text in ("a red apple", "")]
        latent = nodes.EmptyLatentImage().generate(64, 64, 1)[0]
        made = nodes.KSampler().sample(model, 5, 2, 4.0, "euler", "normal", *words, latent)[0]
        same = nodes.common_ksampler(model, 5, 2, 4.0, "euler", "normal", *words, latent)[0]
        picture = nodes.VAEDecode().decode(vae, made)[0]
        again = nodes.VAEEncode().encode(vae, picture)[0]["samples"]
        said = [
            torch.equal(made["samples"], same["samples"]),
            torch.allclose(picture, image, atol=1e-5),
            list(again.shape),
            float(picture.std()) > 0.01,
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"samples_from_python": Samples}
