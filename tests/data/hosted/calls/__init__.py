"""A pack that calls built-in nodes as classes, derives from them, and reads what they say of themselves."""

import json

import comfy.samplers
import folder_paths
import nodes
import torch
from comfy_api.latest import io
from comfy_extras.nodes_mask import GrowMask, composite
from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel
from nodes import MAX_RESOLUTION, PreviewImage, SaveImage

comfy.samplers.SAMPLER_NAMES.append("a_packs_own")


class ByHand:
    """A picture made by calls, and once more by `common_ksampler`."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"checkpoint": nodes.CheckpointLoaderSimple.INPUT_TYPES()["required"]["ckpt_name"]}
        }

    RETURN_TYPES = ("IMAGE", "IMAGE", "LATENT")
    FUNCTION = "make"

    def make(self, checkpoint):
        model, clip, vae = nodes.CheckpointLoaderSimple().load_checkpoint(checkpoint)
        positive = nodes.CLIPTextEncode().encode(clip, "a red apple")[0]
        (negative,) = nodes.NODE_CLASS_MAPPINGS["CLIPTextEncode"]().encode(clip=clip, text="")
        latent = nodes.EmptyLatentImage().generate(64, 64)[0]
        sampled = nodes.KSampler().sample(model, 3, 2, 4.0, "euler", "normal", positive, negative, latent)[0]
        again = nodes.common_ksampler(model, 3, 2, 4.0, "euler", "normal", positive, negative, latent)[0]
        decode = nodes.VAEDecode()
        return decode.decode(vae, sampled)[0], decode.decode(samples=again, vae=vae)[0], sampled


class Same:
    """Whether two pictures are the same to the bit."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"one": ("IMAGE",), "two": ("IMAGE",)}}

    RETURN_TYPES = ()
    FUNCTION = "judge"
    OUTPUT_NODE = True

    def judge(self, one, two):
        return {"ui": {"same": [torch.equal(one, two)], "range": [float(one.std())]}}


class Elsewhere(SaveImage):
    """Saves into the temporary folder, under another name."""

    def __init__(self):
        super().__init__()
        self.output_dir = folder_paths.get_temp_directory()
        self.type = "temp"
        self.prefix_append = "_mine"
        self.compress_level = 0


class Grows(GrowMask):
    """A newer node described anew."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CallsGrows",
            inputs=[io.Int.Input("by", default=1)],
            outputs=[io.Int.Output()],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, by):
        mask = torch.zeros(1, 9, 9)
        mask[:, 4, 4] = 1
        grown = GrowMask().expand_mask(mask, by, False)[0]
        other = GrowMask.execute(mask=mask, expand=by, tapered_corners=False).result[0]
        assert torch.equal(grown, other)
        return io.NodeOutput(int(grown.sum()), ui={"grown": [int(grown.sum())]})


class Tells:
    """What built-in classes say of themselves."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ()
    FUNCTION = "tell"
    OUTPUT_NODE = True

    def tell(self):
        onto = torch.zeros(1, 3, 8, 8)
        composite(onto, torch.ones(1, 3, 2, 2), 4, 4, multiplier=1)
        said = {
            "function": nodes.KSampler.FUNCTION,
            "returns": nodes.CheckpointLoaderSimple.RETURN_TYPES,
            "names": sorted(nodes.LoraLoader.INPUT_TYPES()["required"]),
            "methods": nodes.ImageScale.upscale_methods,
            "crops": nodes.ImageScale.crop_methods,
            "largest": MAX_RESOLUTION,
            "upscales": hasattr(ImageUpscaleWithModel, "upscale"),
            "preview": PreviewImage().type,
            "laid": int(onto.sum()),
            "own": "Same" in str(nodes.NODE_CLASS_MAPPINGS.get("CallsSame")),
        }
        return {"ui": {"said": [json.dumps(said)]}}


class Opens:
    """Uses models by their own methods, and compares with what built-in nodes give."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",),
                "clip": ("CLIP",),
                "vae": ("VAE",),
                "cond": ("CONDITIONING",),
                "image": ("IMAGE",),
                "sigmas": ("SIGMAS",),
            }
        }

    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "CONDITIONING")
    FUNCTION = "open"
    OUTPUT_NODE = True

    def open(self, model, clip, vae, cond, image, sigmas):
        text = "a (red:1.3) apple"
        tokens = clip.tokenize(text)
        plain, pooled = clip.encode_from_tokens(tokens, return_pooled=True)
        changed = clip.tokenize(text)
        for name, chunks in changed.items():
            changed[name] = [[(number, 1.0) for number, _weight in chunk] for chunk in chunks]
        level = clip.encode_from_tokens(changed)
        copied = clip.clone()
        copied.clip_layer(-2)
        latent = vae.encode(image)
        (by_node,) = nodes.VAEEncode().encode(vae, image)
        sampling = model.get_model_object("model_sampling")
        format = model.model.latent_format
        said = {
            "same text": torch.equal(plain, cond[0][0]) and torch.equal(pooled, cond[0][1]["pooled_output"]),
            "weights count": not torch.equal(level, plain),
            "as said without": torch.equal(level, clip.encode("a red apple")),
            "scheduled": torch.equal(clip.encode_from_tokens_scheduled(tokens)[0][0], plain),
            "layers differ": not torch.equal(copied.encode(text), plain) and clip.layer_idx is None,
            "same latents": torch.equal(latent, by_node["samples"]),
            "same picture": torch.equal(vae.decode(latent), nodes.VAEDecode().decode(vae, by_node)[0]),
            "tiles": float((vae.decode_tiled(latent) - vae.decode(latent)).abs().max()) < 1e-4,
            "ratio": vae.downscale_ratio == image.shape[1] // latent.shape[2],
            "schedule": torch.equal(comfy.samplers.calculate_sigmas(sampling, "karras", 5), sigmas),
            "start": float(sampling.sigma_max) == float(sampling.sigmas[-1]),
            "scaled": torch.allclose(format.process_out(format.process_in(latent)), latent, atol=1e-5),
            "clone": model.clone().is_clone(model),
            "kinds": [type(each).__name__ for each in (model, clip, vae)],
        }
        try:
            model.set_model_attn1_patch(lambda *given: given)
        except RuntimeError as error:
            said["refused"] = "ModelPatcher.set_model_attn1_patch" in str(error)
        return {"ui": {"said": [json.dumps(said)]}, "result": (model.clone(), copied, vae, cond)}


class TooEarly:
    """Uses a part of the host that is not there."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        import comfy.hooks

        comfy.hooks.create_hook_model_as_lora({}, {}, 1.0, 1.0)


NODE_CLASS_MAPPINGS = {
    "CallsByHand": ByHand,
    "CallsSame": Same,
    "CallsElsewhere": Elsewhere,
    "CallsGrows": Grows,
    "CallsOpens": Opens,
    "CallsTells": Tells,
    "CallsTooEarly": TooEarly,
}
