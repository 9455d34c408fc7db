"""Networks made of tensors: a class and its settings, filled without first drawing random weights."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.files import AGAIN, WeightFile, cast_tensor

BLOCKS = (
    "ResnetBlock2D", "BasicTransformerBlock", "Attention", "CLIPEncoderLayer", "T5Block", "UMT5Block",
    "LlamaDecoderLayer", "Qwen2DecoderLayer", "Qwen3DecoderLayer", "Gemma2DecoderLayer",
    "MistralDecoderLayer", "Qwen2_5_VLDecoderLayer", "Qwen2_5_VLVisionBlock",
    "JointTransformerBlock", "FluxTransformerBlock", "FluxSingleTransformerBlock", "ChromaTransformerBlock",
    "ChromaSingleTransformerBlock", "AuraFlowJointTransformerBlock", "AuraFlowSingleTransformerBlock",
    "Lumina2TransformerBlock", "ZImageTransformerBlock", "QwenImageTransformerBlock", "Flux2TransformerBlock",
    "Flux2SingleTransformerBlock", "HiDreamBlock", "HunyuanDiTBlock", "SDCascadeResBlock", "SDCascadeAttnBlock",
)  # fmt: skip

Check = Callable[[], None]


class Rename(Protocol):
    """A tensor's name in the network for its name in the file; None leaves the tensor out."""

    def __call__(self, name: str, /) -> str | None: ...


class Gate:
    """Asks, before each block of a network, whether to go on: `check` raises where a person has pressed Stop."""

    def __init__(self) -> None:
        self.check: Check | None = None

    def __call__(self, _module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        if (
            self.check is not None and not torch.compiler.is_compiling()
        ):  # a compiled block is asked once, before it
            self.check()

    def watch(self, module: nn.Module) -> None:
        """Stand before every block of a module."""
        for part in module.modules():
            if type(part).__name__ in BLOCKS:
                part.register_forward_pre_hook(self)


def known_settings(made: Callable[..., nn.Module], settings: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Settings of a file that a class knows.

    Raises:
        CheckpointUnreadable: they are for another class.
    """
    written_for = settings.get("_class_name")
    name = getattr(made, "__name__", "")
    if written_for is not None and written_for != name:
        hint = "Weft reads models of the Stable Diffusion 1 family."
        raise CheckpointUnreadable(path, f"it is for a {written_for}, not for a {name}", hint)
    known = inspect.signature(made).parameters
    return {key: value for key, value in settings.items() if key in known}


class _WithoutMemory(TorchFunctionMode):
    """Makes what waits for weights without memory, and what a class works out for itself (tables of places) as ever."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.empty:
            given["device"] = "meta"
        return func(*args, **given)


def unfilled(make: Callable[[], nn.Module], path: Path) -> nn.Module:
    """A network without memory for its weights.

    Raises:
        CheckpointUnreadable: its class refuses the settings.
    """
    try:
        with _WithoutMemory():
            return make()
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise CheckpointUnreadable(path, f"its settings fit no network ({error})", AGAIN) from error


def fill(
    module: nn.Module,
    weights: WeightFile,
    names: Iterable[tuple[str, str]],
    device: torch.device,
    dtype: torch.dtype,
    change: Callable[[str, Tensor], Tensor] = lambda _name, tensor: tensor,
    stored: Mapping[str, torch.dtype] | None = None,
) -> nn.Module:
    """Give a network its weights, on a device and in a type, ready to be asked.

    Args:
        names: of tensors in the file, each with that in the network.
        change: what becomes of a tensor on its way, by its name in the network.
        stored: other types for some, by their names in the network.

    Raises:
        CheckpointUnreadable: tensors are missing or have another shape.
    """
    wanted = module.state_dict()
    pairs = [(theirs, ours) for theirs, ours in names if ours in wanted]
    missing = sorted(wanted.keys() - {ours for _, ours in pairs})
    if missing:
        what = f"it lacks {len(missing)} of {len(wanted)} tensors, {missing[0]} first"
        raise CheckpointUnreadable(weights.path, what, AGAIN)
    left = Counter(theirs for theirs, _ in pairs)  # some tensors of files become several of a network
    read, scales, types = _read(weights, left, device), weights.scales(left), stored or {}
    state: dict[str, Tensor] = {}
    for theirs, ours in pairs:
        left[theirs] -= 1
        tensor = read[theirs] if left[theirs] else read.pop(theirs)
        if theirs in scales and not tensor.is_meta:
            tensor = tensor.float() * scales[theirs]
        tensor = change(ours, tensor)
        if tensor.shape != wanted[ours].shape:
            what = f"{theirs} is {tuple(tensor.shape)}, and should be {tuple(wanted[ours].shape)}"
            raise CheckpointUnreadable(weights.path, what, "It is a variant that Weft does not know.")
        state[ours] = cast_tensor(tensor, device, types.get(ours, dtype))
    module.load_state_dict(state, strict=True, assign=True)
    return module.requires_grad_(requires_grad=False).eval().to(device)  # with the tables that no file holds


def _read(weights: WeightFile, names: Iterable[str], device: torch.device) -> dict[str, Tensor]:
    """Tensors of a file; of a network without memory, their shapes alone."""
    if device.type != "meta":
        return weights.tensors(names)
    return {name: torch.empty(weights.shapes[name], device=device) for name in names}


def modules_in(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module within one, by its name."""
    yield from cast("Iterator[tuple[str, nn.Module]]", module.named_modules())


def size_of(module: nn.Module) -> int:
    """Bytes of its weights."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
