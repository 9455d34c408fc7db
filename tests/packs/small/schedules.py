"""comfy.samplers: lists that packs extend, schedules by name, the same as ours."""
import comfy.samplers
import nodes
import torch

comfy.samplers.KSampler.SCHEDULERS.append("small_schedule")


class Schedules:
    INPUT_TYPES = classmethod(
        lambda cls: {
            "required": {
                "sampler": (comfy.samplers.KSampler.SAMPLERS,),
                "scheduler": (comfy.samplers.KSampler.SCHEDULERS,),
            }
        }
    )
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, sampler, scheduler):
        model = nodes.CheckpointLoaderSimple().load_checkpoint("weft-starter-v0")[0]
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "karras", 4)
        said = [
            sampler,
            comfy.samplers.SAMPLER_NAMES is comfy.samplers.KSampler.SAMPLERS,
            "small_schedule" in comfy.samplers.SCHEDULER_NAMES,
            list(sigmas.shape),
            bool((sigmas[:-1] > sigmas[1:]).all()),
            float(sigmas[-1]),
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"schedules": Schedules}
