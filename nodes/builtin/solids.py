"""Solids: from grids of values to triangles, to files, and what a picture tells models that make them."""

from collections.abc import Mapping
from typing import Annotated

import torch
from torch import Tensor

from nodes.builtin import record
from nodes.builtin.image import Extra, Prompt
from nodes.builtin.kinds import NegativeOut, PositiveOut
from nodes.diffusion.solids import Mesh, Voxel, cubes, glb, surface_net
from nodes.diffusion.values import Cond, Conditioning
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import Combo, Context, Float, Json, NodeError, Out, Place, Result, Socket, String, node

CATEGORY = "3d"
CONDITIONING = "conditioning/video_models"
WAYS = {"surface net": surface_net, "basic": cubes}
VIEWS = ("front", "left", "back", "right")
FREQUENCIES = 10000.0
VoxelIn = Annotated[Voxel, Socket("VOXEL")]
MeshOut = Annotated[Mesh, Out("MESH")]
Threshold = Annotated[float, Float(minimum=-1.0, maximum=1.0, step=0.01)]
Seen = Annotated[ClipVisionOutput | None, Socket("CLIP_VISION_OUTPUT", optional=True)]


@node("VoxelToMeshBasic", category=CATEGORY)
def voxel_to_mesh_basic(ctx: Context, voxel: VoxelIn, threshold: Threshold = 0.6) -> MeshOut:
    """A cube for every value above the threshold."""
    return _meshed(voxel, "basic", threshold)


@node("VoxelToMesh", category=CATEGORY)
def voxel_to_mesh(
    ctx: Context,
    voxel: VoxelIn,
    algorithm: Annotated[str, Combo(tuple(WAYS), bare=False, extra={"multiselect": False})],
    threshold: Threshold = 0.6,
) -> MeshOut:
    """A surface of triangles where values cross the threshold: smooth, or of cubes."""
    return _meshed(voxel, algorithm, threshold)


@node("SaveGLB", category=CATEGORY, output=True)
def save_glb(
    ctx: Context,
    mesh: Annotated[Mesh, Socket("MESH")],
    filename_prefix: Annotated[str, String(extra={"multiline": False})] = "mesh/ComfyUI",
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write each solid to the output folder as a binary glTF file, with the prompt and the workflow that made it."""
    told: Mapping[str, Json] = record.texts(ctx, prompt, extra_pnginfo)
    shown: list[Json] = []
    for vertices, faces in zip(mesh.vertices, mesh.faces, strict=True):
        slot = ctx.files.reserve(Place.OUTPUT, filename_prefix, ".glb")
        with slot.writing() as path:
            path.write_bytes(glb(vertices, faces, told))
        shown.append(slot.reference())
        ctx.check_stop()
    return Result(ui={"3d": shown})


@node("Hunyuan3Dv2Conditioning", category=CONDITIONING)
def hunyuan_3d_conditioning(
    ctx: Context, clip_vision_output: Annotated[ClipVisionOutput, Socket("CLIP_VISION_OUTPUT")]
) -> tuple[PositiveOut, NegativeOut]:
    """For Hunyuan3D 2: what is seen in a picture of a solid."""
    return _sides(clip_vision_output.last_hidden_state)


@node("Hunyuan3Dv2ConditioningMultiView", category=CONDITIONING)
def hunyuan_3d_conditioning_multi_view(
    ctx: Context, front: Seen = None, left: Seen = None, back: Seen = None, right: Seen = None
) -> tuple[PositiveOut, NegativeOut]:
    """For Hunyuan3D 2mv: what is seen in pictures of a solid from several sides."""
    shown = [
        view.last_hidden_state + _mark(number, view.last_hidden_state)
        for number, view in enumerate((front, left, back, right))
        if view is not None
    ]
    if not shown:
        raise NodeError(
            "No view is connected.", f"Connect what CLIP Vision saw to {', '.join(VIEWS[:-1])} or right."
        )
    return _sides(torch.cat(shown, 1))


def _sides(tokens: Tensor) -> tuple[Conditioning, Conditioning]:
    return (Cond(tokens),), (Cond(torch.zeros_like(tokens)),)


def _mark(number: int, tokens: Tensor) -> Tensor:
    """What tells a view from the others: waves of its number, Float[feature]."""
    half = tokens.shape[-1] // 2
    angles = number / FREQUENCIES ** (torch.arange(half, dtype=torch.float32) / half)
    return torch.cat((angles.sin(), angles.cos())).to(tokens)


def _meshed(voxel: Voxel, algorithm: str, threshold: float) -> Mesh:
    made = [WAYS[algorithm](grid, threshold) for grid in voxel.data.float().cpu()]
    return Mesh(tuple(vertices for vertices, _ in made), tuple(faces for _, faces in made))


NODES = (
    voxel_to_mesh_basic,
    voxel_to_mesh,
    save_glb,
    hunyuan_3d_conditioning,
    hunyuan_3d_conditioning_multi_view,
)
