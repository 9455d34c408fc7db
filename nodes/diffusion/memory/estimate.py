"""What a network takes beside its weights, measured before it is loaded: it is asked with tensors that have no memory.

The same code runs over the same shapes, and what it would make is counted as `Meter` counts what is made. So there is no
formula for a family that could be wrong; where a network reads numbers out of its tensors, a rule of thumb stands in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.vae import VaeCoder

META, CPU = torch.device("meta"), torch.device("cpu")
SMALL = 1 << 20  # numbers in a tensor that may have them
MOVED = torch.ops.aten._to_copy.default  # noqa: SLF001 - what `Tensor.to` becomes
INDEXED = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)
CONTEXTS = ("joint_attention_dim", "caption_channels", "cap_feat_dim", "cross_attention_dim")
POOLED = ("pooled_projection_dim", "text_emb_dim")
WIDTHS = ("hidden_size", "dim", "inner_dim", "caption_projection_dim")
AT_ONCE = 16  # tensors of a transformer's inner width that are alive at once, by rule of thumb
DECODED = 10.0  # times the pixels at the width of an autoencoder's last block, by rule of thumb


@dataclass(frozen=True, slots=True)
class Computing:
    """Bytes beside the weights.

    Attributes:
        measured: from its shapes; else by a rule of thumb.
    """

    size: int
    measured: bool


class _Fused(TorchFunctionMode):
    """Attention as kernels do it: no table of scores, whatever a device without memory would do."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        if func is F.scaled_dot_product_attention:
            query, _, value = (*args, *(kwargs or {}).values())[:3]
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return func(*args, **(kwargs or {}))


class _Mixed(TorchDispatchMode):
    """Lets small tensors have numbers (masks, places, times) among those that have none, so that both can meet.

    A network may read numbers out of the small ones; whatever comes of both kinds has none.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        named = dict(kwargs or {})
        given = [leaf for leaf in tree_leaves((args, named)) if isinstance(leaf, Tensor)]
        unreal = any(tensor.is_meta for tensor in given)
        if named.get("device") == META and not unreal and _small(args):
            named["device"] = CPU  # a table that the network makes, or numbers that are to go where it is
            return func(*args, **named)
        if func is MOVED and unreal and named.get("device") == CPU:
            named["device"] = META  # a buffer that a network moves to where its numbers are
        if unreal and not all(tensor.is_meta for tensor in given):
            plain = cast("Callable[[object], object]", partial(_without, indices=func in INDEXED))
            args, named = cast("Any", tree_map)(plain, (args, named))
        return func(*args, **named)


def _small(args: tuple[Any, ...]) -> bool:
    first = args[0] if args else ()
    sizes = first.shape if isinstance(first, Tensor) else first
    return not isinstance(sizes, Sequence) or prod(cast("Sequence[int]", sizes)) <= SMALL


def _without(leaf: object, *, indices: bool) -> object:
    """A tensor without its numbers; of one that says which places count, the places."""
    if not isinstance(leaf, Tensor) or leaf.is_meta:
        return leaf
    if indices and leaf.dtype == torch.bool:
        found = leaf.nonzero()
        leaf = found[:, 0] if found.shape[1] == 1 else leaf
    return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device=META)


def of_network(network: LoadedNetwork, latents: Sequence[int], tokens: int) -> Computing:
    """What one call takes.

    Args:
        network: loaded on the device "meta".
        latents: their shape, with all that is asked at once as the batch.
        tokens: of the text.
    """
    batch, dtype = latents[0], network.dtype
    given = torch.empty(tuple(latents), device=META, dtype=dtype)
    told = inputs_of(network, batch, tokens)
    joined = network.latent_format.joined
    if joined > 0:
        more = torch.empty((batch, joined, *latents[2:]), device=META, dtype=dtype)
        told = replace(told, joined=more)
    config = cast("Any", network.module).config
    context = torch.empty(batch, tokens, _context(config), device=META, dtype=dtype)
    size = counted(lambda: network(given, torch.full((batch,), 0.5), context, inputs=told))
    if size is not None:
        return Computing(size, measured=True)
    return Computing(_thumb(config, latents, tokens, dtype), measured=False)


def of_decoding(coder: VaeCoder, latents: Sequence[int]) -> Computing:
    """What decoding latents takes, one after the other, on the device.

    Args:
        coder: loaded on the device "meta".
    """
    given = torch.empty((1, *latents[1:]), device=META, dtype=coder.dtype)
    size = counted(lambda: coder.coding.decode(coder.module, given))
    if size is not None:
        return Computing(size, measured=True)
    pixels = latents[-1] * latents[-2] * coder.pixels**2
    width = (getattr(cast("Any", coder.module).config, "block_out_channels", None) or (128,))[0]
    return Computing(round(pixels * width * coder.dtype.itemsize * DECODED), measured=False)


def of_encoding(coder: VaeCoder, picture: tuple[int, int]) -> Computing:
    """What encoding a picture (height, width) takes, as `of_decoding`."""
    given = torch.empty(1, 3, *picture, device=META, dtype=coder.dtype)
    size = counted(lambda: coder.coding.encode(coder.module, given))
    if size is not None:
        return Computing(size, measured=True)
    width = (getattr(cast("Any", coder.module).config, "block_out_channels", None) or (128,))[0]
    return Computing(round(picture[0] * picture[1] * width * coder.dtype.itemsize * DECODED), measured=False)


def counted(ask: Callable[[], object]) -> int | None:
    """The most bytes that a call on tensors without memory makes at once; None where it reads numbers out of them."""
    meter = Meter()
    try:
        with torch.no_grad(), _Fused(), _Mixed(), meter:
            ask()
    except (RuntimeError, NotImplementedError, ValueError, TypeError, KeyError):
        return None
    return meter.peak


def inputs_of(network: LoadedNetwork, batch: int, tokens: int) -> NetworkInputs:
    """What networks are told beside the text, of the sizes that this one's settings name."""
    config = cast("Any", network.module).config

    def made(*shape: int) -> Tensor:
        return torch.empty(shape, device=META, dtype=network.dtype)

    pooled: int = next((getattr(config, name) for name in POOLED if getattr(config, name, None)), 0)
    layers = getattr(config, "llama_layers", None)
    channels: Any = getattr(config, "caption_channels", None)
    return NetworkInputs(
        pooled=made(batch, pooled) if pooled else None,
        guidance=made(batch) if getattr(config, "guidance_embeds", False) else None,
        token_mask=torch.ones(batch, tokens),
        layers=made(batch, len(layers), tokens, channels[1]) if layers else None,
    )


def _context(config: Any) -> int:
    """How wide the text's vectors are."""
    for name in CONTEXTS:
        width = getattr(config, name, None)
        if isinstance(width, int):
            return width
        if isinstance(width, list | tuple) and width:
            return int(cast("Any", width[0]))
    return 768


def _thumb(config: Any, latents: Sequence[int], tokens: int, dtype: torch.dtype) -> int:
    """Of a transformer that cannot be asked so: some tensors of its inner width for every place and token."""
    heads = getattr(config, "num_attention_heads", 0) or getattr(config, "n_heads", 0)
    named = next(
        (getattr(config, name) for name in WIDTHS if isinstance(getattr(config, name, None), int)), 0
    )
    head = getattr(config, "attention_head_dim", 0)
    width = max(named, heads * head if isinstance(head, int) else 0, 1024)
    places = latents[-1] * latents[-2] // 4 + tokens
    return latents[0] * places * width * dtype.itemsize * AT_ONCE
