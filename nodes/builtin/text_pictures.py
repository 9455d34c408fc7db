"""Prompts beside pictures: for editing, and for videos that start from one."""

import math
from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from nodes.builtin.conditioning_models import REFERENCES
from nodes.builtin.encoding import encoded
from nodes.builtin.kinds import AnyVae, ClipIn, ConditioningOut, Prompt
from nodes.builtin.models import models
from nodes.builtin.vae import there
from nodes.diffusion.resize import resize
from nodes.diffusion.text import Prompts
from nodes.diffusion.values import Image
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import Context, Int, NodeError, Socket, node

CATEGORY = "advanced/conditioning"
VaeMaybe = Annotated[AnyVae, Socket("VAE", optional=True)]
ImageMaybe = Annotated[Image | None, Socket("IMAGE", optional=True)]
SHOWN = "<|vision_start|><|image_pad|><|vision_end|>"
EDIT = "qwen_image_edit"
PIXELS, GLANCE = 1024 * 1024, 384 * 384  # that a picture is brought to, and one that is only to be understood
STEP = 8  # of the sides of pictures that an autoencoder reads


@node("TextEncodeQwenImageEdit", category=CATEGORY)
def text_encode_qwen_image_edit(
    ctx: Context, clip: ClipIn, prompt: Prompt, vae: VaeMaybe = None, image: ImageMaybe = None
) -> ConditioningOut:
    """What to change in a picture, for Qwen-Image-Edit: its text encoder sees the picture, the model gets it by the VAE."""
    if image is None:
        return encoded(ctx, clip, prompt)
    picture = _sized(image, PIXELS)
    said = Prompts(SHOWN + prompt, pictures=(picture[:1],), manner=EDIT)
    return encoded(ctx, clip, said, _references(ctx, vae, [picture]))


@node("TextEncodeQwenImageEditPlus", category=CATEGORY)
def text_encode_qwen_image_edit_plus(
    ctx: Context,
    clip: ClipIn,
    prompt: Prompt,
    vae: VaeMaybe = None,
    image1: ImageMaybe = None,
    image2: ImageMaybe = None,
    image3: ImageMaybe = None,
) -> ConditioningOut:
    """What to make of up to three pictures, for Qwen-Image-Edit 2509: the prompt calls them Picture 1, 2 and 3."""
    given = [(number, image) for number, image in enumerate((image1, image2, image3), 1) if image is not None]
    said = Prompts(
        "".join(f"Picture {number}: {SHOWN}" for number, _ in given) + prompt,
        pictures=tuple(_sized(image, GLANCE)[:1] for _, image in given),
        manner=EDIT,
    )
    return encoded(
        ctx, clip, said, _references(ctx, vae, [_sized(image, PIXELS, STEP) for _, image in given])
    )


@node("TextEncodeHunyuanVideo_ImageToVideo", category=CATEGORY)
def text_encode_hunyuan_video_image_to_video(
    ctx: Context,
    clip: ClipIn,
    clip_vision_output: Annotated[ClipVisionOutput, Socket("CLIP_VISION_OUTPUT")],
    prompt: Prompt,
    image_interleave: Annotated[int, Int(minimum=1, maximum=512)] = 2,
) -> ConditioningOut:
    """A prompt for a video that starts from a picture; of what the vision model saw, every n-th word is kept."""
    seen = clip_vision_output.mm_projected
    if seen is None:
        raise NodeError(
            "The vision model has no projector, so its words are none that the text encoder reads.",
            "Load llava_llama3_vision with Load CLIP Vision.",
        )
    return encoded(ctx, clip, Prompts(prompt, seen=seen[0], every=image_interleave))


def _sized(image: Image, pixels: int, step: int = 1) -> Image:
    """Pictures of about so many pixels, in three colours; sides are multiples of a step."""
    height, width = image.shape[1:3]
    scale = math.sqrt(pixels / (height * width))
    sides = [max(1, round(side * scale / step)) * step for side in (height, width)]
    return resize(image[..., :3].movedim(-1, 1), sides[1], sides[0], "area").movedim(1, -1)


def _references(ctx: Context, vae: AnyVae, pictures: Sequence[Image]) -> dict[str, list[Tensor]]:
    """The pictures as latents, for the model to refer to."""
    if vae is None or not pictures:
        return {}
    coder = there(vae)
    with models(ctx) as loaded:
        return {REFERENCES: [loaded.vae(coder).encode(picture) for picture in pictures]}


NODES = (
    text_encode_qwen_image_edit,
    text_encode_qwen_image_edit_plus,
    text_encode_hunyuan_video_image_to_video,
)
