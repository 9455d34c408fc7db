"""Pictures as prompts: IP-Adapters for U-Nets. Nodes of our own, so that packs may keep the names that workflows know."""

from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin.kinds import ImageIn, ModelIn, ModelOut
from nodes.builtin.loaders import content_of
from nodes.builtin.models import models, reference, told
from nodes.builtin.shares import told_if_empty
from nodes.diffusion.guidance.image_prompts import WHERE, ImagePrompt
from nodes.diffusion.lending import ImagePromptAdapter
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.image_prompts import find_image_prompts, load_image_prompts
from nodes.diffusion.models.vision import load_vision
from nodes.diffusion.values import Mask
from nodes.diffusion.vision_values import ClipVision
from nodes.spec import Combo, Context, Float, Out, Socket, node

CATEGORY, SOCKET = "conditioning/ip_adapter", "WEFT_IP_ADAPTER"
CONCAT, AVERAGE = "concat", "average"
Percent = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)]


@node(
    "WeftIPAdapterLoader",
    name="Load IP-Adapter",
    category=CATEGORY,
    change_token=content_of("ipadapter", "ip_adapter_name"),
)
def ip_adapter_loader(
    ctx: Context, ip_adapter_name: Annotated[str, Combo(folder="ipadapter")]
) -> Annotated[ImagePromptAdapter, Out(SOCKET, "ip_adapter")]:
    """An adapter that lets a U-Net read pictures beside its text: plain, plus, face or full, of models/ipadapter."""
    file = reference(ctx, "ipadapter", ip_adapter_name)
    with told():
        find_image_prompts(file.path)
    return ImagePromptAdapter(file)


@node("WeftIPAdapterApply", name="Apply IP-Adapter", category=CATEGORY)
def ip_adapter_apply(
    ctx: Context,
    model: ModelIn,
    ip_adapter: Annotated[ImagePromptAdapter, Socket(SOCKET)],
    clip_vision: Annotated[ClipVision, Socket("CLIP_VISION")],
    image: ImageIn,
    weight: Annotated[float, Float(minimum=-1.0, maximum=5.0, step=0.05)] = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
    weight_type: Annotated[str, Combo(tuple(WHERE))] = "standard",
    several: Annotated[str, Combo((CONCAT, AVERAGE))] = CONCAT,
    crop: Annotated[str, Combo(("center", "none"))] = "center",
    mask: Annotated[Mask | None, Socket("MASK", optional=True)] = None,
) -> ModelOut:
    """Let a model read pictures beside its prompt. Apply further adapters, or one with other masks, one after the other.

    Several pictures of a batch are read one after the other ("concat"), or as their mean. A mask says where they count.
    """
    told_if_empty(ctx, start_percent, end_percent)
    if weight == 0.0:
        return model
    with models(ctx) as loaded:
        adapter = loaded.beside(Part.IMAGE_PROMPTS, ip_adapter.checkpoint, load_image_prompts)
        eye = loaded.beside(Part.VISION, clip_vision.checkpoint, load_vision)
        seen = adapter.tokens(eye.read(image, crop))
        nothing = adapter.tokens(eye.blank())
    positive = _one(seen, several)
    negative = nothing.repeat(1, positive.shape[1] // nothing.shape[1], 1)
    return model.ruled(
        ImagePrompt(
            ip_adapter,
            positive,
            negative,
            weight,
            start_percent,
            end_percent,
            None if mask is None else mask.reshape(-1, *mask.shape[-2:])[:1].clone(),
            weight_type,
        )
    )


def _one(tokens: Tensor, several: str) -> Tensor:
    """The tokens of several pictures as one prompt, Float[1 token feature]."""
    return torch.mean(tokens, 0, keepdim=True) if several == AVERAGE else tokens.flatten(0, 1)[None]


NODES = (ip_adapter_loader, ip_adapter_apply)
