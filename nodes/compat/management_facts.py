"""Names of `comfy.model_management` that tell of devices and kinds of attention: for Weft there is mostly one answer."""

import platform

import torch

XFORMERS_VERSION = ""
XFORMERS_ENABLED_VAE = False
ENABLE_PYTORCH_ATTENTION = True
FORCE_FP16 = FORCE_FP32 = False
PIN_SHARED_MEMORY = False
EXTRA_RESERVED_VRAM = 0
MIN_WEIGHT_MEMORY_RATIO = 0.0
VAE_DTYPES = [torch.float32]
FLOAT8_TYPES = [torch.float8_e4m3fn, torch.float8_e5m2]
directml_enabled = False
lowvram_available = True
torch_version = torch.__version__
torch_version_numeric = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])


def is_ascend_npu() -> bool:
    return False


def is_mlu() -> bool:
    return False


def is_wsl() -> bool:
    return "microsoft" in platform.uname().release.lower()


def force_channels_last() -> bool:
    return False


def extra_reserved_memory() -> int:
    return EXTRA_RESERVED_VRAM


def get_supported_float8_types() -> list[torch.dtype]:
    return list(FLOAT8_TYPES)


def supports_fp8_compute(device: torch.device | None = None) -> bool:
    """Whether a device multiplies numbers of eight bits: NVIDIA's from Ada on."""
    if not torch.cuda.is_available() or (device is not None and device.type != "cuda"):
        return False
    return torch.cuda.get_device_capability(device) >= (8, 9)


def pick_weight_dtype(
    dtype: torch.dtype | None, fallback_dtype: torch.dtype, device: torch.device | None = None
) -> torch.dtype:
    """The type that weights are kept in: as asked for, unless it has more bytes than the other."""
    del device
    if dtype is None or dtype.itemsize > fallback_dtype.itemsize:
        return fallback_dtype
    return dtype


def device_should_use_non_blocking(device: torch.device) -> bool:
    """Weights are moved at once."""
    del device
    return False


def sync_stream(device: torch.device, stream: object) -> None:
    """Nothing is moved beside the work."""


def get_offload_stream(device: torch.device) -> None:
    """Nothing is moved beside the work."""


def pytorch_attention_flash_attention() -> bool:
    """Whether PyTorch's own kernels do attention's work on a card."""
    return torch.cuda.is_available()


def resolve_lowvram_weight(weight: torch.Tensor, model: object = None, key: object = None) -> torch.Tensor:
    """A weight as it is: the pool brings it."""
    del model, key
    return weight


def unload_model_clones(model: object, unload_weights_only: bool = True, force_unload: bool = True) -> None:
    """The pool lets go of weights itself."""


def offloaded_memory(loaded_models: object, device: torch.device) -> int:
    """Bytes of models that wait elsewhere: the pool knows."""
    del loaded_models, device
    return 0


OFFERED = (
    "ENABLE_PYTORCH_ATTENTION",
    "EXTRA_RESERVED_VRAM",
    "FORCE_FP16",
    "FORCE_FP32",
    "MIN_WEIGHT_MEMORY_RATIO",
    "PIN_SHARED_MEMORY",
    "VAE_DTYPES",
    "XFORMERS_ENABLED_VAE",
    "XFORMERS_VERSION",
    "device_should_use_non_blocking",
    "directml_enabled",
    "extra_reserved_memory",
    "force_channels_last",
    "get_offload_stream",
    "get_supported_float8_types",
    "is_ascend_npu",
    "is_mlu",
    "is_wsl",
    "lowvram_available",
    "offloaded_memory",
    "pick_weight_dtype",
    "pytorch_attention_flash_attention",
    "resolve_lowvram_weight",
    "supports_fp8_compute",
    "sync_stream",
    "torch_version",
    "torch_version_numeric",
    "unload_model_clones",
)
