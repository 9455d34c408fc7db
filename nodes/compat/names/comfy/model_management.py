"""`comfy.model_management`: devices, and Stop."""

import gc
import importlib
import os
from enum import Enum

import torch

from nodes.compat import current, management_facts
from nodes.compat.current import InterruptProcessingException
from nodes.compat.surgery import own_modules
from nodes.spec import Stopped

__all__ = ["InterruptProcessingException"]
globals().update({name: getattr(management_facts, name) for name in management_facts.OFFERED})

OOM_EXCEPTION = torch.cuda.OutOfMemoryError
XFORMERS_IS_AVAILABLE = False
DISABLE_SMART_MEMORY = False
MEBIBYTE = 1 << 20
INFERENCE = 1 << 30  # bytes that a run wants beside its weights


class VRAMState(Enum):
    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


class CPUState(Enum):
    GPU = 0
    CPU = 1
    MPS = 2


def _cpu_state():
    kinds = {"cpu": CPUState.CPU, "mps": CPUState.MPS}
    return kinds.get(get_torch_device().type, CPUState.GPU)


def __getattr__(name):
    """What is known once a device was asked: packs read these as constants."""
    if name == "cpu_state":
        return _cpu_state()
    if name == "vram_state":
        return VRAMState.DISABLED if _cpu_state() is CPUState.CPU else VRAMState.NORMAL_VRAM
    if name in ("total_vram", "total_ram"):
        device = get_torch_device() if name == "total_vram" else torch.device("cpu")
        return _memory(device)[1] / MEBIBYTE
    if name == "current_loaded_models":
        return own_modules.known()
    if name == "args":
        return importlib.import_module("comfy.cli_args").args
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)


def get_torch_device():
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def text_encoder_device():
    return get_torch_device()


def vae_device():
    return get_torch_device()


def intermediate_device():
    return torch.device("cpu")


def intermediate_dtype():
    return torch.float32


def unet_offload_device():
    return torch.device("cpu")


def text_encoder_offload_device():
    return torch.device("cpu")


def vae_offload_device():
    return torch.device("cpu")


def is_device_cpu(device):
    return torch.device(device).type == "cpu"


def is_device_mps(device):
    return torch.device(device).type == "mps"


def is_device_cuda(device):
    return torch.device(device).type == "cuda"


def get_autocast_device(dev):
    return getattr(dev, "type", "cuda")


def get_torch_device_name(device):
    if getattr(device, "type", "") == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return str(device)


def _memory(device):
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + unused, total, unused
    if hasattr(os, "sysconf"):
        page = os.sysconf("SC_PAGE_SIZE")
        free = os.sysconf("SC_AVPHYS_PAGES") * page if "SC_AVPHYS_PAGES" in os.sysconf_names else 0
        return free, os.sysconf("SC_PHYS_PAGES") * page, free
    import psutil

    machine = psutil.virtual_memory()
    return machine.available, machine.total, machine.available


def get_free_memory(dev=None, torch_free_too=False):
    free, _, unused = _memory(get_torch_device() if dev is None else dev)
    return (free, unused) if torch_free_too else free


def get_total_memory(dev=None, torch_total_too=False):
    _, total, _ = _memory(get_torch_device() if dev is None else dev)
    return (total, total) if torch_total_too else total


def module_size(module):
    return sum(weight.nelement() * weight.element_size() for weight in module.state_dict().values())


def soft_empty_cache(force=False):
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def processing_interrupted():
    call = current.running()
    if call is None:
        return False
    if call.stop_asked:
        return True
    try:
        call.context.check_stop()
    except Stopped:
        return True
    return False


def throw_exception_if_processing_interrupted():
    current.check_stop()


# --- types of numbers -----------------------------------------------------------------------------------------------

NUMBERS = (torch.float16, torch.bfloat16, torch.float32)


def should_use_fp16(device=None, model_params=0, prioritize_performance=True, manual_cast=False):
    kind = (get_torch_device() if device is None else torch.device(device)).type
    return kind in ("cuda", "mps", "xpu")


def should_use_bf16(device=None, model_params=0, prioritize_performance=True, manual_cast=False):
    kind = (get_torch_device() if device is None else torch.device(device)).type
    return kind == "cuda" and torch.cuda.is_bf16_supported()


def unet_dtype(device=None, model_params=0, supported_dtypes=NUMBERS, weight_dtype=None):
    """The first of `supported_dtypes` that the device computes well in, else float32."""
    for dtype in supported_dtypes:
        if dtype == torch.float16 and should_use_fp16(device):
            return dtype
        if dtype == torch.bfloat16 and should_use_bf16(device):
            return dtype
    return torch.float32


def unet_manual_cast(weight_dtype, inference_device, supported_dtypes=NUMBERS):
    """The type to compute in where it is another than the weights'; None where it is not."""
    if weight_dtype in (torch.float32, torch.float64):
        return None
    fits = {torch.float16: should_use_fp16, torch.bfloat16: should_use_bf16}.get(weight_dtype)
    if fits is not None and fits(inference_device):
        return None
    return unet_dtype(inference_device, supported_dtypes=supported_dtypes)


def vae_dtype(device=None, allowed_dtypes=()):
    return next(
        (dtype for dtype in allowed_dtypes if dtype == torch.bfloat16 and should_use_bf16(device)),
        torch.float32,
    )


def text_encoder_dtype(device=None):
    return torch.float16


def unet_inital_load_device(parameters, dtype):
    return get_torch_device()


def lora_compute_dtype(device):
    return torch.float16 if should_use_fp16(device) else torch.float32


def dtype_size(dtype):
    return dtype.itemsize


def supports_cast(device, dtype):
    return dtype in (*NUMBERS, torch.float8_e4m3fn, torch.float8_e5m2)


def supports_dtype(device, dtype):
    return dtype == torch.float32 or torch.device(device).type != "cpu"


def cast_to(weight, dtype=None, device=None, non_blocking=False, copy=False, stream=None, r=None):
    """The tensor in another type, on another device; itself where nothing changes and no copy is wanted."""
    dtype = weight.dtype if dtype is None else dtype
    device = weight.device if device is None else torch.device(device)
    if r is not None:
        return r.copy_(weight, non_blocking=non_blocking)
    return weight.to(dtype=dtype, device=device, non_blocking=non_blocking, copy=copy)


def cast_to_device(tensor, device, dtype, copy=False):
    return cast_to(tensor, dtype, device, device_supports_non_blocking(device), copy)


def device_supports_non_blocking(device):
    return torch.device(device).type == "cuda"


def force_upcast_attention_dtype():
    return None


# --- what computes --------------------------------------------------------------------------------------------------


def cpu_mode():
    return _cpu_state() is CPUState.CPU


def mps_mode():
    return _cpu_state() is CPUState.MPS


def is_intel_xpu():
    return get_torch_device().type == "xpu"


def is_nvidia():
    return torch.cuda.is_available() and bool(torch.version.cuda)


def is_amd():
    return torch.cuda.is_available() and bool(torch.version.hip)


def is_directml_enabled():
    return False


def xformers_enabled():
    return False


def xformers_enabled_vae():
    return False


def pytorch_attention_enabled():
    return True


def pytorch_attention_enabled_vae():
    return True


def sage_attention_enabled():
    return False


def flash_attention_enabled():
    return False


def current_stream(device):
    return torch.cuda.current_stream(device) if torch.device(device).type == "cuda" else None


def is_oom(e):
    return isinstance(e, OOM_EXCEPTION)


def raise_non_oom(e):
    if not is_oom(e):
        raise e


# --- what is loaded: Weft's pool loads recipes when a sampler needs them, and frees by its budget ---------------------


def load_models_gpu(
    models, memory_required=0, force_patch_weights=False, minimum_memory_required=None, force_full_load=False
):
    """Modules that packs wrapped go to their devices; a recipe is loaded when it is sampled with."""
    own_modules.load(models)


def load_model_gpu(model):
    return load_models_gpu([model])


def loaded_models(only_currently_used=False):
    return [entry.model for entry in own_modules.known()]


def free_memory(memory_required, device, keep_loaded=(), for_dynamic=False, pins_required=0, ram_required=0):
    device, taken = torch.device(device), []
    for entry in reversed([*own_modules.known()] if device.type != "cpu" else []):
        if entry.device == device and get_free_memory(device) < memory_required:
            taken += own_modules.unload([entry], keep_loaded)
            soft_empty_cache()
    soft_empty_cache()
    return taken


def unload_all_models():
    free_memory(1e30, get_torch_device())


def unload_model_and_clones(model, unload_additional_models=True, all_devices=False):
    own_modules.unload([entry for entry in own_modules.known() if entry.model.is_clone(model)])
    soft_empty_cache()


def cleanup_models():
    pass


def cleanup_models_gc():
    gc.collect()


def minimum_inference_memory():
    return INFERENCE


def interrupt_current_processing(value=True):
    """A node asks for Stop of its own job: it is heard where nodes are asked next."""
    current.ask_stop(value)
