"""Built-in nodes: thin adapters from sockets to `nodes.diffusion`."""

from collections.abc import Sequence

from nodes.builtin import (
    canny,
    control,
    image,
    latent,
    loaders,
    loops,
    lora,
    mask,
    primitives,
    sampling,
    text,
    vae,
)
from nodes.spec import Node

MODULES = (loaders, lora, text, control, latent, sampling, vae, image, mask, canny, primitives, loops)


def all_nodes() -> Sequence[Node]:
    """Every built-in node, in the order in which menus list them."""
    return tuple(entry for module in MODULES for entry in module.NODES)
