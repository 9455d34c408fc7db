"""A U-Net of ours as packs hold it: the field's tree of parts, whose layers are those of the loaded network itself.

What packs put into it (layers, functions, hooks) is heard: a U-Net that was changed is asked through these parts.
"""

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from nodes.compat.unets import blocks, through, transformers, unet, video
from nodes.diffusion.changes import Kind
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.unet_shape import UnetShape, original_shape

NETWORK = "diffusion_model."
SEEN: "WeakKeyDictionary[nn.Module, Seen]" = WeakKeyDictionary()
CLASSES = (
    transformers.BasicTransformerBlock,
    transformers.CrossAttention,
    transformers.FeedForward,
    transformers.GEGLU,
    transformers.SpatialTransformer,
    video.SpatialVideoTransformer,
    blocks.ResBlock,
    blocks.Upsample,
    blocks.Downsample,
    blocks.TimestepEmbedSequential,
    unet.UNetModel,
)
FORWARDS = {kind: kind.forward for kind in CLASSES}  # as they are here: packs replace them
OPENAI = "comfy.ldm.modules.diffusionmodules.openaimodel"
FUNCTIONS = {
    name: getattr(through, name, None) or getattr(unet, name)
    for name in ("forward_timestep_embed", "apply_control")
}


class Seen:
    """The field's tree of a network.

    Attributes:
        net: the tree. parts: its parts when it was made, by name.
    """

    def __init__(self, loaded: LoadedNetwork) -> None:
        self.net = _built(loaded)
        self.parts = dict(self.net.named_modules())

    def changed(self) -> bool:
        """Whether packs have changed parts of it."""
        now = dict(self.net.named_modules())
        if now.keys() != self.parts.keys():
            return True
        return any(part is not self.parts[name] or _touched(part) for name, part in now.items())


def _touched(part: nn.Module) -> bool:
    own = vars(part)
    return "forward" in own or bool(own["_forward_hooks"]) or bool(own["_forward_pre_hooks"])


def is_unet(network: object) -> bool:
    """Whether a network has parts that packs can see so."""
    return isinstance(network, LoadedNetwork) and Kind.ATTENTION in network.family.takes


def seen(loaded: LoadedNetwork) -> Seen:
    """The tree of a loaded U-Net, the same as long as it stays loaded."""
    if loaded.module not in SEEN:
        SEEN[loaded.module] = Seen(loaded)
    return SEEN[loaded.module]


def changed(loaded: LoadedNetwork) -> bool:
    """Whether packs have changed parts of a network, or functions that all U-Nets have."""
    if any(kind.forward is not known for kind, known in FORWARDS.items()):
        return True
    host = sys.modules.get(OPENAI)
    if host is not None and any(getattr(host, name) is not known for name, known in FUNCTIONS.items()):
        return True
    known = SEEN.get(loaded.module)
    return known is not None and known.changed()


@contextmanager
def patched(net: nn.Module, objects: Mapping[str, Any]) -> Generator[None]:
    """A tree with parts of packs in the place of its own until the block ends."""
    before: list[tuple[Any, str, Any]] = []
    try:
        for name, made in objects.items():
            owner, _, last = name.removeprefix(NETWORK).rpartition(".")
            holder = net.get_submodule(owner) if owner else net
            here = last in vars(holder) or last in holder._modules or last in holder._parameters  # noqa: SLF001
            before.append((holder, last, getattr(holder, last) if here else ...))
            setattr(holder, last, made)
        yield
    finally:
        for holder, last, value in reversed(before):
            if value is ...:
                delattr(holder, last)
            else:
                setattr(holder, last, value)


def has(loaded: LoadedNetwork, name: str) -> bool:
    """Whether a U-Net has a part of this dotted name, or a function of a part."""
    found: Any = seen(loaded).net
    for part in name.removeprefix(NETWORK).split("."):
        found = getattr(found, part, None)
        if found is None:
            return False
    return True


def _built(loaded: LoadedNetwork) -> unet.UNetModel:
    """The tree, its layers taken from the network."""
    named = {place.theirs: place.ours for place in loaded.published}
    own = loaded.module.state_dict()
    shapes = {theirs: tuple(own[ours].shape) for theirs, ours in named.items() if ours in own}
    shape = original_shape(shapes)
    net = unet.UNetModel(**_settings(loaded, shape, shapes), dtype=loaded.dtype, device="meta")
    for name in {name.rpartition(".")[0] for name in named if named[name] in own}:
        owner, _, last = name.rpartition(".")
        ours = next(named[each] for each in (f"{name}.weight", f"{name}.bias") if each in named)
        setattr(net.get_submodule(owner), last, loaded.module.get_submodule(ours.rpartition(".")[0]))
    left = [name for name, each in net.named_parameters() if each.is_meta]
    if left:
        raise ValueError(f"This U-Net has no {left[0]}, which the field's layout has.")
    return net.eval()


def _settings(
    loaded: LoadedNetwork, shape: UnetShape, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """What the field's class is told to make a tree of this size."""
    module: Any = loaded.module
    heads = {
        (each.heads, each.inner_dim)
        for each in module.modules()
        if hasattr(each, "inner_dim") and hasattr(each, "heads")
    }
    counts = {count for count, _ in heads}
    told: dict[str, Any] = (
        {"num_heads": counts.pop()}
        if len(counts) == 1
        else {"num_head_channels": min(width // count for count, width in heads)}
    )
    adm = shapes.get("label_emb.0.0.weight", (0, 0))[1]
    classes = "sequential" if adm else shape.classes or None
    width = shape.widths[0]
    return told | {
        "image_size": 32,
        "in_channels": shape.in_channels,
        "model_channels": width,
        "out_channels": shape.out_channels,
        "num_res_blocks": [shape.layers] * len(shape.widths),
        "channel_mult": tuple(each // width for each in shape.widths),
        "use_spatial_transformer": True,
        "transformer_depth": [depth for level in shape.depths for depth in level],
        "transformer_depth_middle": shape.middle if shape.middle > 0 else shape.middle - 1,
        "transformer_depth_output": [depth for level in shape.ups for depth in level][::-1],
        "context_dim": shape.context,
        "use_linear_in_transformer": shape.linear,
        "disable_self_attentions": [*shape.crossed] if any(shape.crossed) else None,
        "num_classes": classes,
        "adm_in_channels": adm or None,
    }


def asked(
    net: Any, latents: Tensor, timestep: Tensor, context: Tensor, y: Any, control: Any, options: Any
) -> Tensor:
    """What a tree predicts."""
    lists = None if control is None else {name: list(parts) for name, parts in control.items()}
    with torch.no_grad():
        return net.forward(latents, timestep, context, y, lists, options)


__all__ = ["Seen", "asked", "changed", "has", "is_unet", "patched", "seen"]
