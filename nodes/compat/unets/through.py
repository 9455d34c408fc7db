"""Layers of a block in turn, each called with what its kind wants; packs name classes that they call themselves."""

from nodes.compat.unets.blocks import TimestepBlock, Upsample
from nodes.compat.unets.transformers import SpatialTransformer, patches
from nodes.compat.unets.video import SpatialVideoTransformer, VideoResBlock


def forward_timestep_embed(
    ts,
    x,
    emb,
    context=None,
    transformer_options=None,
    output_shape=None,
    time_context=None,
    num_video_frames=None,
    image_only_indicator=None,
):
    """Layers in turn: classes that packs have named by their functions, ours as their kind wants it."""
    options = {} if transformer_options is None else transformer_options
    film = num_video_frames, image_only_indicator
    for layer in ts:
        handler = next((call for kind, call in handlers(options) if isinstance(layer, kind)), None)
        if handler is not None:
            x = handler(layer, x, emb, context, options, output_shape, time_context, *film)
        elif isinstance(layer, VideoResBlock):
            x = layer(x, emb, *film)
        elif isinstance(layer, TimestepBlock):
            x = layer(x, emb)
        elif isinstance(layer, SpatialTransformer):
            options["activations_shape"] = list(x.shape)
            across = isinstance(layer, SpatialVideoTransformer)
            x = layer(x, context, *((time_context, *film) if across else ()), transformer_options=options)
            options["transformer_index"] = options.get("transformer_index", 0) + 1
        elif isinstance(layer, Upsample):
            x = layer(x, output_shape=output_shape)
        else:
            x = layer(x)
    return x


def handlers(options):
    """Classes of layers that packs call themselves, each with its function."""
    return patches(options, "forward_timestep_embed_patch")
