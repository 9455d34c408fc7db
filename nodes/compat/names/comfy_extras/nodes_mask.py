"""`comfy_extras.nodes_mask`: planes laid over planes."""

from nodes.diffusion.pictures.layout import overlaid


def composite(destination, source, x, y, mask=None, multiplier=8, resize_source=False):
    """Lay `source` [batch channel height width] over `destination`, which is changed; `multiplier` pixels are a cell."""
    shown = None if mask is None else mask.reshape(-1, *mask.shape[-2:])
    made = overlaid(
        destination, source.to(destination.device), x, y, shown, fill=resize_source, unit=multiplier
    )
    destination.copy_(made)
    return destination
