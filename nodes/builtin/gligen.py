"""Boxes with words: what shall stand where in a picture (GLIGEN)."""

from typing import Annotated

from nodes.builtin.conditioning import PIXELS
from nodes.builtin.encoding import encoded
from nodes.builtin.kinds import ClipIn, ConditioningIn, ConditioningOut, Prompt
from nodes.builtin.loaders import content_of
from nodes.builtin.models import reference
from nodes.diffusion.gligen import BOXES, MOST_BOXES, Box, Boxes, Gligen
from nodes.diffusion.values import Cond
from nodes.spec import Combo, Context, Int, NodeError, Out, Socket, node

Side = Annotated[int, Int(minimum=8, maximum=16384, step=8)]
Place = Annotated[int, Int(minimum=0, maximum=16384, step=8)]


@node(
    "GLIGENLoader", name="GLIGENLoader", category="loaders", change_token=content_of("gligen", "gligen_name")
)
def gligen_loader(
    ctx: Context, gligen_name: Annotated[str, Combo(folder="gligen")]
) -> Annotated[Gligen, Out("GLIGEN")]:
    """What lets a model of the Stable Diffusion 1 family be told of boxes."""
    return Gligen(reference(ctx, "gligen", gligen_name))


@node("GLIGENTextBoxApply", name="GLIGENTextBoxApply", category="conditioning/gligen")
def gligen_text_box_apply(
    ctx: Context,
    conditioning_to: ConditioningIn,
    clip: ClipIn,
    gligen_textbox_model: Annotated[Gligen, Socket("GLIGEN")],
    text: Prompt,
    width: Side = 64,
    height: Side = 64,
    x: Place = 0,
    y: Place = 0,
) -> ConditioningOut:
    """Let what some words say stand in a box, in pixels from the picture's upper left; again for each box."""
    words = encoded(ctx, clip, text)[0].pooled
    if words is None:
        raise NodeError(
            "The text encoder says no prompt in one vector, which boxes need.",
            "Use the CLIP of a model of the Stable Diffusion 1 family.",
        )
    box = Box(words, height // PIXELS, width // PIXELS, y // PIXELS, x // PIXELS)
    return tuple(_boxed(cond, gligen_textbox_model, box) for cond in conditioning_to)


def _boxed(cond: Cond, model: Gligen, box: Box) -> Cond:
    before = cond.extra.get(BOXES)
    boxes = (before if isinstance(before, Boxes) else Boxes(model)).with_box(model, box)
    if len(boxes.boxes) > MOST_BOXES:
        raise NodeError(f"A prompt can have {MOST_BOXES} boxes; this is one more.", "Take one out.")
    return cond.with_extra({BOXES: boxes})


NODES = (gligen_loader, gligen_text_box_apply)
