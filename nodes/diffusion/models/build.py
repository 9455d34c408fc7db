"""Networks made of tensors: a class and its settings, filled without first drawing random weights."""

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.files import AGAIN, WeightFile, cast_tensor
from nodes.diffusion.models.numbers import check_in_use, check_numbers

BLOCKS = (
    "ResnetBlock2D", "BasicTransformerBlock", "Attention", "CLIPEncoderLayer", "T5Block", "UMT5Block",
    "LlamaDecoderLayer", "Qwen2DecoderLayer", "Qwen3DecoderLayer", "Gemma2DecoderLayer", "Gemma3DecoderLayer",
    "MistralDecoderLayer", "Qwen2_5_VLDecoderLayer", "Qwen2_5_VLVisionBlock",
    "JointTransformerBlock", "FluxTransformerBlock", "FluxSingleTransformerBlock", "ChromaTransformerBlock",
    "ChromaSingleTransformerBlock", "AuraFlowJointTransformerBlock", "AuraFlowSingleTransformerBlock",
    "Lumina2TransformerBlock", "ZImageTransformerBlock", "QwenImageTransformerBlock", "Flux2TransformerBlock",
    "Flux2SingleTransformerBlock", "HiDreamBlock", "HunyuanDiTBlock", "SDCascadeResBlock", "SDCascadeAttnBlock",
    "OobleckEncoderBlock", "OobleckDecoderBlock",
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
    """Makes what waits for weights without memory, and what a class works out for itself (tables of places) as ever.

    First draws for what has no memory are left out: they are a third of the time that a network takes to make.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.empty:
            given["device"] = "meta"
        elif getattr(func, "__module__", "") == nn.init.__name__:
            drawn = args[0] if args else given.get("tensor")
            if isinstance(drawn, Tensor) and drawn.is_meta:
                return drawn
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
    *,
    waits: bool = False,
) -> nn.Module:
    """Give a network its weights, on a device and in a type, ready to be asked.

    Those that are copied on the way are judged: they must be numbers. What stays as pages of the file is judged when it
    is first used, since to read all of it here would take as long again as to map it.

    Args:
        names: of tensors in the file, each with that in the network.
        change: what becomes of a tensor on its way, by its name in the network.
        stored: other types for some, by their names in the network.
        waits: what is packed in the file stays so, and is unpacked whenever it is used.

    Raises:
        CheckpointUnreadable: tensors are missing, have another shape, or hold what is no number.
    """
    wanted = _slots(module)
    pairs = [(theirs, ours) for theirs, ours in names if ours in wanted]
    missing = sorted(wanted.keys() - {ours for _, ours in pairs})
    if missing:
        what = f"it lacks {len(missing)} of {len(wanted)} tensors, {missing[0]} first"
        raise CheckpointUnreadable(weights.path, what, AGAIN)
    left = Counter(theirs for theirs, _ in pairs)  # some tensors of files become several of a network
    read, scales, types = _read(weights, left, device), weights.scales(left), stored or {}
    unread: dict[str, str] = {}
    for theirs, ours in pairs:
        left[theirs] -= 1
        slot = wanted[ours]
        packed = _waiting(weights, theirs, slot, partial(change, ours)) if waits else None
        if packed is not None:
            slot.put(packed)
            unread[ours] = theirs
            continue
        if (
            theirs not in read
        ):  # packed ones come one by one, since they take four times the room of their file
            read |= weights.tensors([theirs])
        tensor = read[theirs] if left[theirs] else read.pop(theirs)
        if theirs in scales and not tensor.is_meta:
            tensor = tensor.float() * scales[theirs]
        tensor = change(ours, tensor)
        if tensor.shape != slot.shape:
            what = f"{theirs} is {tuple(tensor.shape)}, and should be {tuple(slot.shape)}"
            raise CheckpointUnreadable(weights.path, what, "It is a variant that Weft does not know.")
        kind = types.get(ours, dtype)
        made = cast_tensor(tensor, device, kind)
        if made is tensor and theirs not in weights.packed:
            unread[ours] = theirs
        else:
            check_numbers(weights.path, theirs, tensor, kind)
        slot.put(made)
    check_in_use(module, weights.path, unread)
    tables = (table for table in module.buffers() if table.device != device)  # that no file holds
    return module.eval().to(device) if next(tables, None) is not None else module.eval()


def _waiting(
    weights: WeightFile, name: str, slot: "_Slot", change: Callable[[Tensor], Tensor]
) -> Tensor | None:
    """A packed tensor that waits; which of its rows become the network's shows what `change` does to their numbers."""
    shape = weights.shapes[name]
    if not shape or not slot.shape:
        return None
    rows = torch.arange(shape[0]).reshape(-1, *(1 for _ in shape[1:]))
    return weights.waiting(name, change(rows).flatten(), tuple(slot.shape))


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a network keeps one of its tensors: `load_state_dict` takes five times as long to find it."""

    held: dict[str, Tensor | None]
    name: str
    shape: torch.Size
    learned: bool

    def put(self, tensor: Tensor) -> None:
        """Keep it there from now on, without a copy."""
        self.held[self.name] = nn.Parameter(tensor, requires_grad=False) if self.learned else tensor


def _slots(module: nn.Module) -> dict[str, _Slot]:
    """Of every tensor that `module.state_dict()` names."""
    found: dict[str, _Slot] = {}
    for before, part in modules_in(module, twice=True):
        start = f"{before}." if before else ""
        inner = cast("Any", part)
        for held, left_out, learned in (
            (inner._parameters, (), True),  # noqa: SLF001 - public names make a copy for each
            (inner._buffers, inner._non_persistent_buffers_set, False),  # noqa: SLF001
        ):
            for name, tensor in held.items():
                if tensor is not None and name not in left_out:
                    found[start + name] = _Slot(held, name, tensor.shape, learned)
    return found


def _read(weights: WeightFile, names: Iterable[str], device: torch.device) -> dict[str, Tensor]:
    """Tensors of a file; of a network without memory, their shapes alone."""
    if device.type != "meta":
        return weights.tensors(name for name in names if name not in weights.packed)
    return {name: torch.empty(weights.shapes[name], device=device) for name in names}


def modules_in(module: nn.Module, *, twice: bool = False) -> Iterator[tuple[str, nn.Module]]:
    """Every module within one, by its name; by every one of its names, where `twice` is said."""
    yield from cast("Iterator[tuple[str, nn.Module]]", module.named_modules(remove_duplicate=not twice))


def size_of(module: nn.Module) -> int:
    """Bytes of its weights."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
