"""LoRAs to files: what a difference of models is, as small factors."""

from collections.abc import Mapping
from typing import Annotated, cast

from safetensors.torch import save_file
from torch import Tensor

from nodes.builtin.kinds import AnyClip
from nodes.builtin.models import models, there
from nodes.diffusion.lora_making import extracted, in_layout
from nodes.diffusion.values import Model
from nodes.spec import (
    Boolean,
    Combo,
    Context,
    Hidden,
    Int,
    Json,
    NodeError,
    Place,
    Result,
    Socket,
    String,
    node,
)

NETWORK = "diffusion_model."
TEXT = "text_encoders."
OF_CLIP = {"l": "clip_l", "g": "clip_g", "h": "clip_h"}
FACTORS, WHOLE = "standard", "full_diff"


@node("LoraSave", name="Extract and Save Lora", category="_for_testing", output=True, experimental=True)
def lora_save(
    ctx: Context,
    filename_prefix: Annotated[str, String()] = "loras/ComfyUI_extracted_lora",
    rank: Annotated[int, Int(minimum=1, maximum=4096, step=1)] = 8,
    lora_type: Annotated[str, Combo((FACTORS, WHOLE), bare=False)] = FACTORS,
    bias_diff: Annotated[bool, Boolean()] = True,
    model_diff: Annotated[Model | None, Socket("MODEL", optional=True)] = None,
    text_encoder_diff: Annotated[AnyClip, Socket("CLIP", optional=True)] = None,
    prompt: Annotated[Mapping[str, Json] | None, Hidden("PROMPT")] = None,
    extra_pnginfo: Annotated[Mapping[str, Json] | None, Hidden("EXTRA_PNGINFO")] = None,
) -> Result:
    """Write what one model has more than another (from Model Merge Subtract) into a LoRA file."""
    if model_diff is None and text_encoder_diff is None:
        raise NodeError(
            "There is nothing to save.", "Connect a difference, such as Model Merge Subtract makes."
        )
    made: dict[str, Tensor] = {}
    with models(ctx) as loaded:
        sources: dict[str, Tensor] = {}
        if model_diff is not None:
            network = loaded.network(model_diff)
            sources |= _under(NETWORK, in_layout(_state(network.module), network.published))
        if text_encoder_diff is not None:
            for name, encoder in loaded.text(there(text_encoder_diff)).items():
                sources |= _under(f"{TEXT}{OF_CLIP.get(name, name)}.transformer.", _text(name, encoder.model))
        empty = 0
        for number, (_, tensors) in enumerate(
            extracted(sources, rank, whole=lora_type == WHOLE, biases=bias_diff)
        ):
            ctx.check_stop()
            made |= dict(tensors)
            empty += not tensors
            ctx.progress(number + 1, len(sources))
    if not made:
        raise NodeError(
            "The models are the same: there is nothing to save.", "Connect the difference of two that differ."
        )
    if empty:
        ctx.say(f"{empty} of {len(sources)} weights have no difference, and are left out.")
    slot = ctx.files.reserve(Place.OUTPUT, filename_prefix, ".safetensors")
    with slot.writing() as path:
        save_file(made, path)
    return Result()


def _state(module: object) -> dict[str, Tensor]:
    return cast("dict[str, Tensor]", getattr(module, "state_dict")())  # noqa: B009


def _text(name: str, module: object) -> dict[str, Tensor]:
    """An encoder's tensors as files name them: of CLIP, they are nested in `text_model`."""
    state = _state(module)
    if name not in OF_CLIP or any(key.startswith("text_model.") for key in state):
        return state
    return _under("text_model.", state)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


NODES = (lora_save,)
