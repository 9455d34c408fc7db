"""What a training run gave, as a picture."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from PIL import Image as Pillow
from PIL import ImageDraw

from nodes.builtin.image import Extra, Prompt, preview
from nodes.diffusion.eight_bit import from_pillow
from nodes.spec import Context, NodeError, Result, Socket, String, node

SIZE, MARGIN = (840, 520), 40  # pixels
Losses = Annotated[Mapping[str, Sequence[float]], Socket("LOSS_MAP")]


@node("LossGraphNode", name="Plot Loss Graph", category="training", output=True, experimental=True)
def loss_graph(
    ctx: Context,
    loss: Losses,
    filename_prefix: Annotated[str, String(extra={"multiline": False})] = "loss_graph",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """How the loss went over the steps of a training run, as a curve on the node."""
    del filename_prefix  # the picture goes to the temporary folder
    values = [float(value) for value in loss.get("loss", ())]
    if not values or not torch.tensor(values).isfinite().all():
        raise NodeError(
            "loss holds no numbers." if not values else "loss holds what is no number (NaN or infinite).",
            "Connect the losses of a training run; one that gave NaN wants a lower learning rate.",
        )
    return preview(ctx, from_pillow(_drawn(values))[None], prompt, extra_pnginfo)


def _drawn(values: Sequence[float]) -> Pillow.Image:
    sheet = Pillow.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(sheet)
    right, bottom = SIZE[0] - MARGIN, SIZE[1] - MARGIN
    least, most = min(values), max(values)
    reach = (most - least) or 1.0  # a loss that never changes is a line at the bottom
    last = max(len(values) - 1, 1)
    points = [
        (MARGIN + (right - MARGIN) * step / last, bottom - (bottom - MARGIN) * (value - least) / reach)
        for step, value in enumerate(values)
    ]
    draw.line(((MARGIN, MARGIN), (MARGIN, bottom), (right, bottom)), fill="black")
    draw.line(points if len(points) > 1 else [points[0], (right, points[0][1])], fill="blue", width=2)
    for place, text in (
        ((5, MARGIN // 2), "Loss"),
        ((right - 10, bottom + 5), "Steps"),
        ((2, MARGIN), f"{most:.2f}"),
        ((2, bottom - 10), f"{least:.2f}"),
    ):
        draw.text(place, text, fill="black")
    return sheet


NODES = (loss_graph,)
