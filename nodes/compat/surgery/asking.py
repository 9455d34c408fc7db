"""A U-Net asked through the field's tree of parts, where packs have changed some of them."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from nodes.compat.standing import refuse
from nodes.compat.surgery.inside import Overridden
from nodes.compat.unets.seen import asked, changed, is_unet, patched, seen
from nodes.compat.unets.transformers import ways
from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.residuals import Residuals
from nodes.diffusion.sizes import sizes_told


@dataclass(frozen=True, slots=True, eq=False)
class Within:
    """A call of a network that comes from packs' functions.

    Attributes:
        options: `transformer_options` of the call. objects: parts of packs by dotted name.
        by_parts: whether it must go through the tree.
    """

    options: dict[str, Any]
    objects: Mapping[str, Any]
    by_parts: bool


WITHIN: ContextVar[Within | None] = ContextVar("within", default=None)


@contextmanager
def within(options: dict[str, Any], objects: Mapping[str, Any], *, by_parts: bool) -> Generator[None]:
    """Calls of networks inside the block come from packs' functions."""
    token = WITHIN.set(Within(options, objects, by_parts))
    try:
        yield
    finally:
        WITHIN.reset(token)


def stage(
    network: LoadedNetwork,
    latents: Tensor,
    timestep: Tensor,
    context: Tensor,
    *,
    residuals: Residuals | None,
    inputs: NetworkInputs,
    changes: NetworkChanges,
) -> Tensor:
    """As `Stage`: a U-Net that packs have changed is asked by its parts, and attention that they have replaced is used."""
    told = WITHIN.get()
    if is_unet(network) and ((told is not None and told.by_parts) or changed(network)):
        options = {"cond_or_uncond": list(inputs.sides or (0,))} if told is None else told.options
        objects = {} if told is None else told.objects
        _check(residuals, changes)
        y = _told(network, inputs, latents, options.get("y"))
        latents = latents.to(network.device, network.dtype)
        if network.latent_format.joined and inputs.joined is not None:
            latents = torch.cat((latents, inputs.joined.to(latents)), 1)
        net = seen(network).net
        with patched(net, objects):
            return asked(net, latents, timestep, context.to(latents), y, control_of(residuals), options)
    way = replaced_way() if told is None else None
    with nullcontext() if way is None else Overridden(way, {}):
        return network.answer(latents, timestep, context, residuals=residuals, inputs=inputs, changes=changes)


def _check(residuals: Residuals | None, changes: NetworkChanges) -> None:
    if changes:
        refuse("a changed part of a U-Net together with what a node of Weft changes inside it")
    if residuals is not None and (residuals.levels or residuals.inside):
        refuse("a changed part of a U-Net together with such a control network")


def control_of(residuals: Residuals | None) -> dict[str, Any] | None:
    """Residuals as packs read them."""
    if residuals is None:
        return None
    middle = [] if residuals.middle is None else [residuals.middle]
    return {"input": list(residuals.levels), "middle": middle, "output": list(residuals.down)}


def replaced_way() -> Any:
    """A function that a pack has put into the host's module in the place of attention; None: there is none."""
    host = ways()
    current = host.optimized_attention
    if current is host.attention_pytorch:
        return None
    return lambda _func, *args, **more: current(*args, **more)


def _told(network: Any, inputs: NetworkInputs, latents: Tensor, y: Any) -> Tensor | None:
    """What is read beside the text, [batch feature]: as a pack says it in full, or as our engine does."""
    config = cast("Any", network.module).config
    width = config.projection_class_embeddings_input_dim
    if isinstance(y, Tensor) and (width is None or y.shape[-1] == width or config.num_class_embeds):
        return y.to(latents.device) if config.num_class_embeds else y.to(latents)
    if config.num_class_embeds:
        level = inputs.noisiness
        zeros = torch.zeros(len(latents), dtype=torch.long, device=latents.device)
        return zeros if level is None else level.to(zeros)
    if config.class_embed_type == "projection":
        return (
            latents.new_zeros(len(latents), width)
            if inputs.resembled is None
            else inputs.resembled.to(latents)
        )
    sizes = sizes_told(config, inputs, latents)
    if sizes is None:
        return None
    numbers = cast("Any", network.module).add_time_proj(sizes["time_ids"].flatten()).to(latents)
    return torch.cat((sizes["text_embeds"], numbers.reshape(len(latents), -1)), 1)
