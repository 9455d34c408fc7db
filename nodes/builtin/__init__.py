"""Built-in nodes: thin adapters from sockets to `nodes.diffusion`."""

from collections.abc import Sequence

from nodes.builtin import (
    canny,
    conditioning,
    conditioning_models,
    conditioning_sets,
    control,
    guidance,
    guiders,
    hooks,
    image,
    image_batch,
    image_dataset,
    image_effects,
    image_layout,
    image_scale,
    latent,
    latent_batch,
    latent_empty,
    latent_maths,
    latent_shape,
    loaders,
    loops,
    lora,
    mask,
    mask_compositing,
    model_patches,
    primitives,
    sampling,
    text,
    vae,
)
from nodes.spec import Node

MODULES = (
    loaders,
    lora,
    text,
    conditioning,
    conditioning_sets,
    conditioning_models,
    hooks,
    control,
    latent_empty,
    latent,
    latent_maths,
    latent_shape,
    latent_batch,
    sampling,
    guiders,
    guidance,
    model_patches,
    vae,
    image,
    image_scale,
    image_layout,
    image_effects,
    image_batch,
    image_dataset,
    mask,
    mask_compositing,
    canny,
    primitives,
    loops,
)


def all_nodes() -> Sequence[Node]:
    """Every built-in node, in the order in which menus list them."""
    return tuple(entry for module in MODULES for entry in module.NODES)
