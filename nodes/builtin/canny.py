"""Canny edges: a drawing's outlines, for ControlNets and eyes."""

from typing import Annotated

from nodes.builtin.kinds import ImageIn, ImageOut
from nodes.diffusion.pictures.edges import find_edges
from nodes.spec import Context, Float, NodeError, node

Threshold = Annotated[float, Float(minimum=0.01, maximum=0.99, step=0.01)]


@node("Canny", category="image/preprocessors")
def canny(
    ctx: Context,
    image: ImageIn,
    low_threshold: Threshold = 0.4,
    high_threshold: Threshold = 0.8,
) -> ImageOut:
    """White edges on black. An edge starts where the slope is above the high threshold, and goes on down to the low."""
    if low_threshold > high_threshold:
        raise NodeError(
            f"low_threshold ({low_threshold}) is above high_threshold ({high_threshold}).",
            "Swap the two values.",
        )
    if image.shape[-1] != 3:
        raise NodeError(
            f"Canny needs a picture of 3 channels, not {image.shape[-1]}.", "Remove the alpha channel first."
        )
    edges = find_edges(image.movedim(-1, 1).float(), low_threshold, high_threshold)
    return edges.movedim(1, -1).expand(-1, -1, -1, 3).contiguous()


NODES = (canny,)
