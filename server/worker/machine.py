"""The devices of the machine and their memory, in the shape of `/system_stats`. Imports torch: for workers alone."""

import gc
from collections.abc import Mapping, Sequence
from typing import Any

from nodes.spec import Json
from server.memory import memory


def release() -> None:
    """Give back what torch and Python hold without need."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def devices() -> Sequence[Mapping[str, Json]]:
    """Every CUDA device; without one, the processor with the machine's memory. Bytes.

    The first also carries torch's version.
    """
    import torch

    if torch.cuda.is_available():
        found = [_cuda(torch, index) for index in range(torch.cuda.device_count())]
    else:
        total, free = memory()
        found = [_device("cpu", "cpu", 0, (total, free), (total, free))]
    return [found[0] | {"pytorch_version": str(torch.__version__)}, *found[1:]]


def device_peak() -> int:
    """The most bytes that tensors held on all CUDA devices since this was called last; 0 without one."""
    import torch

    if not torch.cuda.is_initialized():
        return 0
    devices = range(torch.cuda.device_count())
    peak = sum(torch.cuda.max_memory_allocated(index) for index in devices)
    for index in devices:
        torch.cuda.reset_peak_memory_stats(index)
    return peak


def _cuda(torch: Any, index: int) -> dict[str, Json]:
    free, total = torch.cuda.mem_get_info(index)
    reserved = torch.cuda.memory_reserved(index)
    unused = reserved - torch.cuda.memory_allocated(index)
    name = f"cuda:{index} {torch.cuda.get_device_name(index)}"
    return _device(name, "cuda", index, (total, free + unused), (reserved, unused))


def _device(
    name: str, kind: str, index: int, machine: tuple[int, int], torch_own: tuple[int, int]
) -> dict[str, Json]:
    return {
        "name": name,
        "type": kind,
        "index": index,
        "vram_total": machine[0],
        "vram_free": machine[1],
        "torch_vram_total": torch_own[0],
        "torch_vram_free": torch_own[1],
    }
