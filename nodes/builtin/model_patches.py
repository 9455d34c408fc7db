"""Changes inside a model, added to its recipe: better skips, cheaper attention, parts in turn."""

from dataclasses import replace
from typing import Annotated

from nodes.builtin.kinds import ModelIn, ModelOut
from nodes.builtin.shares import told_if_empty
from nodes.diffusion.changes import Positions
from nodes.diffusion.guidance import attention, inside, merging, windows
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, node

Factor = Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01)]
Share = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)]
Percent = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)]
Stretch = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.1)]
Shift = Annotated[float, Float(minimum=-256.0, maximum=256.0, step=0.1)]
Switch = Annotated[bool, Boolean()]
Resizing = Annotated[str, Combo(("bicubic", "nearest-exact", "bilinear", "area", "bislerp"), bare=False)]
WindowSchedule = Annotated[
    str,
    Combo(
        ("standard_static", "standard_uniform", "looped_uniform", "batched"),
        bare=False,
        extra={"multiselect": False},
    ),
]
WindowFusion = Annotated[
    str, Combo(("pyramid", "relative", "flat", "overlap-linear"), bare=False, extra={"multiselect": False})
]
PIXELS = 8  # of a latent's side, in the nodes of the field
LEAST_TILE = 32  # pixels


@node("FreeU", category="model_patches/unet")
def free_u(
    ctx: Context, model: ModelIn, b1: Factor = 1.1, b2: Factor = 1.2, s1: Factor = 0.9, s2: Factor = 0.2
) -> ModelOut:
    """Better detail from a U-Net at no cost: `b` strengthens what it thinks, `s` weakens what it only hands on."""
    return model.ruled(inside.FreeU((b1, b2), (s1, s2)))


@node("FreeU_V2", category="model_patches/unet")
def free_u_v2(
    ctx: Context, model: ModelIn, b1: Factor = 1.3, b2: Factor = 1.4, s1: Factor = 0.9, s2: Factor = 0.2
) -> ModelOut:
    """FreeU that strengthens each place by how strong it is already."""
    return model.ruled(inside.FreeU((b1, b2), (s1, s2), second_version=True))


@node(
    "PatchModelAddDownscale",
    name="PatchModelAddDownscale (Kohya Deep Shrink)",
    category="model_patches/unet",
)
def patch_model_add_downscale(
    ctx: Context,
    model: ModelIn,
    block_number: Annotated[int, Int(minimum=1, maximum=32, step=1)] = 3,
    downscale_factor: Annotated[float, Float(minimum=0.1, maximum=9.0, step=0.001)] = 2.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 0.35,
    downscale_after_skip: Switch = True,
    downscale_method: Resizing = "bicubic",
    upscale_method: Resizing = "bicubic",
) -> ModelOut:
    """Pictures larger than the model was trained for, without doubled heads: the first steps see them smaller."""
    told_if_empty(ctx, start_percent, end_percent)
    return model.ruled(
        inside.Downscale(
            block_number,
            downscale_factor,
            start_percent,
            end_percent,
            downscale_after_skip,
            downscale_method,
            upscale_method,
        )
    )


@node("HyperTile", category="model_patches/unet")
def hyper_tile(
    ctx: Context,
    model: ModelIn,
    tile_size: Annotated[int, Int(minimum=1, maximum=2048)] = 256,
    swap_size: Annotated[int, Int(minimum=1, maximum=128)] = 2,
    max_depth: Annotated[int, Int(minimum=0, maximum=10)] = 0,
    scale_depth: Switch = False,
) -> ModelOut:
    """Large pictures faster: the U-Net attends within tiles."""
    tile = max(LEAST_TILE, tile_size) // PIXELS
    return model.ruled(attention.HyperTile(tile, swap_size, max_depth, scale_depth))


@node("TomePatchModel", category="model_patches/unet")
def tome_patch_model(ctx: Context, model: ModelIn, ratio: Share = 0.3) -> ModelOut:
    """Large pictures faster: a share of places that are like others takes their answer."""
    return model.ruled(merging.TokenMerging(ratio))


@node("ScaleROPE", category="advanced/model_patches", experimental=True)
def scale_rope(
    ctx: Context,
    model: ModelIn,
    scale_x: Stretch = 1.0,
    shift_x: Shift = 0.0,
    scale_y: Stretch = 1.0,
    shift_y: Shift = 0.0,
    scale_t: Stretch = 1.0,
    shift_t: Shift = 0.0,
) -> ModelOut:
    """Stretch and move the places that a diffusion transformer sees; U-Nets have no such embedding and stay as they are."""
    positions = Positions(scale_x, shift_x, scale_y, shift_y, scale_t, shift_t)
    return model.ruled(inside.ScaledPositions(positions))


@node("ModelComputeDtype", category="advanced/debug/model")
def model_compute_dtype(
    ctx: Context, model: ModelIn, dtype: Annotated[str, Combo(("default", "fp32", "fp16", "bf16"))]
) -> ModelOut:
    """Let a model compute in another precision; `default` is what suits the device."""
    return replace(model, settings=replace(model.settings, compute="" if dtype == "default" else dtype))


@node("ContextWindowsManual", name="Context Windows (Manual)", category="context", experimental=True)
def context_windows_manual(
    ctx: Context,
    model: ModelIn,
    context_length: Annotated[int, Int(minimum=1)] = 16,
    context_overlap: Annotated[int, Int(minimum=0)] = 4,
    *,
    context_schedule: WindowSchedule,
    context_stride: Annotated[int, Int(minimum=1)] = 1,
    closed_loop: Switch = False,
    fuse_method: WindowFusion = "pyramid",
    dim: Annotated[int, Int(minimum=0, maximum=5)] = 0,
    freenoise: Switch = False,
) -> ModelOut:
    """Ask the model for long latents window by window along an axis: 2 is height, or frames of videos, 3 width."""
    _without_freenoise(freenoise)
    rule = windows.ContextWindows(
        context_length, context_overlap, context_schedule, context_stride, closed_loop, fuse_method, dim
    )
    return model.ruled(rule)


@node("WanContextWindowsManual", name="WAN Context Windows (Manual)", category="context", experimental=True)
def wan_context_windows_manual(
    ctx: Context,
    model: ModelIn,
    context_length: Annotated[int, Int(minimum=1, maximum=16384, step=4)] = 81,
    context_overlap: Annotated[int, Int(minimum=0)] = 30,
    *,
    context_schedule: WindowSchedule,
    context_stride: Annotated[int, Int(minimum=1)] = 1,
    closed_loop: Switch = False,
    fuse_method: WindowFusion = "pyramid",
    freenoise: Switch = False,
) -> ModelOut:
    """Ask the model for long videos window by window; lengths are of frames of the video."""
    _without_freenoise(freenoise)
    length, overlap = max((context_length - 1) // 4 + 1, 1), max((context_overlap - 1) // 4 + 1, 0)
    return model.ruled(
        windows.ContextWindows(length, overlap, context_schedule, context_stride, closed_loop, fuse_method, 2)
    )


def _without_freenoise(freenoise: bool) -> None:
    if freenoise:
        raise NodeError("freenoise is not there yet.", "Turn it off.")


@node("wanBlockSwap", category="", deprecated=True)
def wan_block_swap(ctx: Context, model: ModelIn) -> ModelOut:
    """The model as it is: what is in memory when is Weft's own business."""
    return model


NODES = (
    free_u,
    free_u_v2,
    patch_model_add_downscale,
    hyper_tile,
    tome_patch_model,
    scale_rope,
    model_compute_dtype,
    context_windows_manual,
    wan_context_windows_manual,
    wan_block_swap,
)
