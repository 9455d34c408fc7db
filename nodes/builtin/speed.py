"""The same model, faster: compiled, or with another kernel for its attention."""

from dataclasses import replace
from typing import Annotated

from nodes.builtin.kinds import ModelIn, ModelOut
from nodes.spec import Combo, Context, node

AUTOMATIC = "automatic"
KERNELS = (AUTOMATIC, "flash", "memory efficient", "cudnn", "plain")


@node("TorchCompileModel", category="_for_testing", experimental=True)
def torch_compile_model(
    ctx: Context,
    model: ModelIn,
    backend: Annotated[
        str, Combo(("inductor", "cudagraphs"), bare=False, extra={"multiselect": False})
    ] = "inductor",
) -> ModelOut:
    """Compile a model's blocks when it is first asked: that takes a while, and every step after it is faster."""
    return replace(model, settings=replace(model.settings, compiled=backend))


@node("WeftAttentionKernel", name="Attention Kernel", category="model_patches/speed")
def attention_kernel(
    ctx: Context, model: ModelIn, kernel: Annotated[str, Combo(KERNELS, bare=False)] = AUTOMATIC
) -> ModelOut:
    """Choose how attention is computed; all give the same picture but for rounding. `automatic` is what suits."""
    return replace(model, settings=replace(model.settings, kernel="" if kernel == AUTOMATIC else kernel))


NODES = (torch_compile_model, attention_kernel)
