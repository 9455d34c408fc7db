"""`comfy.model_management`: devices, and Stop."""

import gc
import os

import torch

from nodes.compat import current
from nodes.compat.current import InterruptProcessingException
from nodes.spec import Stopped

__all__ = [
    "OOM_EXCEPTION",
    "InterruptProcessingException",
    "get_autocast_device",
    "get_free_memory",
    "get_torch_device",
    "get_torch_device_name",
    "get_total_memory",
    "intermediate_device",
    "intermediate_dtype",
    "is_device_cpu",
    "is_device_cuda",
    "is_device_mps",
    "module_size",
    "processing_interrupted",
    "soft_empty_cache",
    "text_encoder_device",
    "text_encoder_offload_device",
    "throw_exception_if_processing_interrupted",
    "unet_offload_device",
    "vae_device",
    "vae_offload_device",
]

OOM_EXCEPTION = torch.cuda.OutOfMemoryError


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
    try:
        call.context.check_stop()
    except Stopped:
        return True
    return False


def throw_exception_if_processing_interrupted():
    current.check_stop()
