"""comfy.model_management on a processor."""
import comfy.model_management as manage
import torch


class Devices:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        tensor = torch.ones(2)
        devices = [manage.get_torch_device(), manage.intermediate_device(), manage.unet_offload_device()]
        devices += [manage.vae_device(), manage.vae_offload_device(), manage.text_encoder_device()]
        manage.soft_empty_cache()
        manage.cleanup_models_gc()
        manage.free_memory(1e30, manage.get_torch_device())
        said = [
            sorted({str(device) for device in devices}),
            manage.get_free_memory(manage.get_torch_device()) > 0,
            str(manage.vae_dtype()),
            str(manage.unet_dtype()),
            manage.should_use_fp16(),
            manage.is_device_mps(manage.get_torch_device()),
            manage.is_intel_xpu(),
            manage.xformers_enabled(),
            manage.get_autocast_device(manage.get_torch_device()),
            manage.module_size(torch.nn.Linear(2, 3)),
            manage.cast_to_device(tensor, torch.device("cpu"), None) is tensor,
            issubclass(manage.InterruptProcessingException, Exception),
            manage.VRAMState.NORMAL_VRAM.name,
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"devices": Devices}
