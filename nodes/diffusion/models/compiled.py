"""Networks that run faster by choice: blocks compiled by `torch.compile`, and the kernel of their attention."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.build import modules_in
from nodes.diffusion.models.family import Stacks
from nodes.diffusion.models.spared import put_on

KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "memory efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "plain": SDPBackend.MATH,
}
OF_UNETS = ("ResnetBlock2D", "BasicTransformerBlock")
INDUCTOR = "inductor"
NO_KERNEL = ("No available kernel", "No viable backend")  # as torch says it

Regions = dict[str, list[tuple[nn.Module, Callable[..., Any]]]]


def compilable(changes: NetworkChanges) -> bool:
    """Whether compiled blocks may be used: nothing inside of them is changed."""
    return not (changes.attention or changes.between or changes.alone or changes.away or changes.positions)


@contextmanager
def hurried(
    module: nn.Module, stacks: Stacks | None, compiled: str, kernel: str, regions: Regions
) -> Generator[None]:
    """A network whose blocks are compiled, with a kernel for its attention, until the block ends.

    Args:
        compiled: the backend; empty: as it is. kernel: a name of `KERNELS`; empty: what suits.
        regions: of this network, by backend; filled at the first use, so that nothing is compiled twice.

    Raises:
        DiffusionError: it cannot be compiled here, or no such kernel can do its attention here.
    """
    with ExitStack() as stack:
        if compiled:
            if compiled not in regions:
                checked(module, compiled)
                regions[compiled] = [
                    (block, cast("Any", torch).compile(block.forward, backend=compiled))
                    for block in _blocks(module, stacks)
                ]
            for block, forward in regions[compiled]:
                put_on(block, forward, stack)
        if kernel:
            stack.enter_context(cast("Any", sdpa_kernel)(KERNELS[kernel]))
        try:
            yield
        except _faults(compiled) as error:
            raise _failed(compiled, str(error)) from error
        except RuntimeError as error:
            if not kernel or not any(words in str(error) for words in NO_KERNEL):
                raise
            raise DiffusionError(
                f"The attention {kernel!r} cannot be used by this model on this device.",
                "Choose another in Attention Kernel, or leave the node out: what suits is then chosen for you.",
            ) from error


def checked(module: nn.Module, compiled: str) -> None:
    """What compiling needs here.

    Raises:
        DiffusionError: on a processor inductor finds no C++ compiler.
    """
    on_cpu = all(parameter.device.type == "cpu" for parameter in module.parameters())
    if compiled != INDUCTOR or not on_cpu:
        return
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise _failed(compiled, "no C++ compiler is found") from error


def _faults(compiled: str) -> tuple[type[Exception], ...]:
    """What compiling raises. Imported only by who compiles: it takes a second, which each start would wait for."""
    if not compiled:
        return ()
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import InductorError

    return (TorchDynamoException, InductorError)


def _failed(compiled: str, why: str) -> DiffusionError:
    return DiffusionError(
        f"The model cannot be compiled with {compiled}: {why.strip().splitlines()[0]}.",
        "On a processor inductor needs a C++ compiler (g++ or clang) and Python's headers (python3-dev). "
        "Install them, or leave out TorchCompileModel.",
    )


def _blocks(module: nn.Module, stacks: Stacks | None) -> list[nn.Module]:
    """What is compiled: the blocks of a transformer; the parts of a U-Net's blocks."""
    if stacks is None:
        return [part for _, part in modules_in(module) if type(part).__name__ in OF_UNETS]
    rows = (row for row in (stacks.double, stacks.single) if row is not None)
    return [block for row in rows for block in getattr(module, row.name)]
