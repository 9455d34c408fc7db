"""Solids, moving cameras and what else models beyond pictures are told: closed surfaces, true rays."""

import json
import struct
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nodes.builtin.latent_video import ltxv_conditioning, ltxv_crop_guides
from nodes.builtin.solids import (
    hunyuan_3d_conditioning,
    hunyuan_3d_conditioning_multi_view,
    save_glb,
    voxel_to_mesh,
    voxel_to_mesh_basic,
)
from nodes.builtin.video import wan_camera_embedding, wan_move_concat_track, wan_move_tracks_from_coords
from nodes.diffusion.solids import Mesh, Voxel
from nodes.diffusion.values import Cond, Latent
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import NodeError, Result
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def ball(side: int = 12, radius: float = 4.0) -> Tensor:
    """Values that fall with the distance from the middle; 0 at the radius. Depth, height and width differ."""
    axes = [torch.arange(length) - (length - 1) / 2 for length in (side, side + 2, side + 4)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return radius - (z**2 + y**2 + x**2).sqrt()


def volume(vertices: Tensor, faces: Tensor) -> float:
    """Signed: positive where faces are anticlockwise from outside (the divergence theorem)."""
    a, b, c = vertices[faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def last_rays(ctx: Surroundings, pose: str, speed: float = 1.0) -> tuple[Tensor, Tensor]:
    """Moment and direction of the rays of the fifth frame of five, each [3 height width]."""
    made = wan_camera_embedding.run(ctx, camera_pose=pose, width=16, height=16, length=5, speed=speed)
    planes = made[0][0].unflatten(0, (6, 4))[:, 3, 1]  # type: ignore[index]
    return planes[:3], planes[3:]


def is_closed(faces: Tensor) -> bool:
    """Every edge is walked as often one way as the other."""
    edges = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    forth = sorted(map(tuple, edges.tolist()))
    return forth == sorted((b, a) for a, b in forth)


@pytest.mark.parametrize("algorithm", ["surface net", "basic"])
def test_a_ball_becomes_a_surface_around_its_volume(ctx: Surroundings, algorithm: str):
    grid = ball()
    mesh = voxel_to_mesh.run(ctx, voxel=Voxel(grid[None]), algorithm=algorithm, threshold=0.0)
    assert isinstance(mesh, Mesh)
    vertices, faces = mesh.vertices[0], mesh.faces[0]
    half = max(grid.shape) / 2
    assert volume(vertices, faces) * half**3 == pytest.approx(4 / 3 * torch.pi * 4.0**3, rel=0.08)
    assert algorithm == "basic" or is_closed(faces)
    reach = (vertices.amax(0) - vertices.amin(0)) * half
    assert torch.allclose(reach, torch.full((3,), 8.0), atol=0.8)


def test_a_single_cube_has_its_sides_alone(ctx: Surroundings):
    grid = torch.zeros(1, 2, 2, 4)
    grid[0, 1, 0, 3] = 1.0
    mesh = voxel_to_mesh_basic.run(ctx, voxel=Voxel(grid))
    assert isinstance(mesh, Mesh)
    assert mesh.vertices[0].shape == (24, 3) and mesh.faces[0].shape == (12, 3)
    assert mesh.vertices[0].amin(0).tolist() == [0.5, -1.0, -0.5]
    assert volume(mesh.vertices[0], mesh.faces[0]) == pytest.approx(1 / 8)


def test_nothing_is_one_point(ctx: Surroundings):
    for algorithm in ("surface net", "basic"):
        mesh = voxel_to_mesh.run(ctx, voxel=Voxel(torch.zeros(2, 3, 3, 3)), algorithm=algorithm)
        assert isinstance(mesh, Mesh)
        assert [tuple(part.shape) for part in (*mesh.vertices, *mesh.faces)] == [(1, 3)] * 4


def test_solids_are_saved_as_gltf(ctx: Surroundings):
    mesh = voxel_to_mesh_basic.run(ctx, voxel=Voxel(torch.ones(2, 1, 1, 1)))
    result = save_glb.run(ctx, mesh=mesh, prompt={"1": {}})
    assert isinstance(result, Result) and result.ui
    names = [str(entry["filename"]) for entry in result.ui["3d"]]  # type: ignore[index, call-overload, union-attr]
    assert names == ["ComfyUI_00001_.glb", "ComfyUI_00002_.glb"]
    whole = (ctx.files.root / "output" / "mesh" / names[0]).read_bytes()
    magic, version, length, said_length, kind = struct.unpack("<IIIII", whole[:20])
    assert (magic, version, length, kind) == (0x46546C67, 2, len(whole), 0x4E4F534A)
    said = json.loads(whole[20 : 20 + said_length])
    assert said["asset"]["extras"] == {"prompt": {"1": {}}}
    assert [accessor["count"] for accessor in said["accessors"]] == [24, 36]
    binary = whole[28 + said_length :]
    points = torch.frombuffer(bytearray(binary), dtype=torch.float32, count=72).reshape(24, 3)
    assert points.amin(0).tolist() == said["accessors"][0]["min"]


def test_a_camera_that_stands_still_sees_straight_ahead(ctx: Surroundings):
    told, width, height, length = wan_camera_embedding.run(ctx, width=32, height=16, length=5)  # type: ignore[misc]
    assert told.shape == (1, 24, 2, 16, 32) and (width, height, length) == (32, 16, 5)
    moments, directions = told[0, :12], told[0, 12:].unflatten(0, (3, 4))
    assert not moments.any()
    assert torch.allclose(directions.norm(dim=0), torch.ones(4, 2, 16, 32))
    assert torch.allclose(directions, directions[:, :1, :1].expand_as(directions))
    middle = directions[:, 0, 0, 7:9, 15:17].mean((1, 2))
    assert torch.allclose(middle / middle.norm(), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6)
    assert (directions[0, 0, 0, :, 0] < 0).all() and (directions[1, 0, 0, 0] < 0).all()


@pytest.mark.parametrize(
    ("pose", "axis", "sign"), [("Pan Right", 0, 1), ("Pan Up", 1, -1), ("Zoom In", 2, 1), ("Zoom Out", 2, -1)]
)
def test_a_camera_goes_where_its_motion_says(ctx: Surroundings, pose: str, axis: int, sign: int):
    moment, direction = last_rays(ctx, pose, speed=2.0)
    rows = direction.flatten(1).T  # place x direction = moment, for all rays at once
    cross = torch.stack([torch.linalg.cross(unit.expand_as(rows), rows) for unit in torch.eye(3)], -1)
    place = torch.linalg.lstsq(cross.reshape(-1, 3), moment.flatten(1).T.reshape(-1, 1)).solution.flatten()  # type: ignore[attr-defined]
    wanted = torch.zeros(3)
    wanted[axis] = sign * 4 / 5 * 2.0 * 1.5 * (2 if axis == 2 else 1)
    assert torch.allclose(place, wanted, atol=1e-4)


def test_a_camera_turns_about_its_own_axis(ctx: Surroundings):
    (_, still), (_, turned) = last_rays(ctx, "Static"), last_rays(ctx, "ClockWise (CW)")
    angle = torch.atan2(turned[1], turned[0]) - torch.atan2(still[1], still[0])
    assert torch.allclose(
        angle.remainder(2 * torch.pi), torch.full_like(angle, 4 / 5 * torch.pi / 3), atol=1e-4
    )
    assert torch.allclose(turned[2], still[2])


def test_a_camera_without_a_lens_or_with_a_broken_group_is_refused(ctx: Surroundings):
    with pytest.raises(NodeError, match="length is 6"):
        wan_camera_embedding.run(ctx, length=6)
    with pytest.raises(NodeError, match="fx or fy is 0"):
        wan_camera_embedding.run(ctx, fx=0.0)


def test_tracks_are_read_from_text_and_joined(ctx: Surroundings):
    text = '[[{"x": 1, "y": 2}, {"x": 3, "y": 4}, {"x": 5, "y": 6}], [{"x": 7, "y": 8}, {"x": 9, "y": 0}, {"x": 1, "y": 1}]]'
    two, frames = wan_move_tracks_from_coords.run(ctx, track_coords=text)  # type: ignore[misc]
    one, _ = wan_move_tracks_from_coords.run(  # type: ignore[misc]
        ctx,
        track_coords="[{'x': 1, 'y': 2}, {'x': 3, 'y': 4}, {'x': 5, 'y': 6}]",
        track_mask=torch.ones(3, 2, 2),
    )
    assert frames == 3 and two.path[1].tolist() == [[3, 4], [9, 0]] and two.visibility.all()
    assert one.path.shape == (3, 1, 2) and one.visibility.shape == (3, 1)
    both = wan_move_concat_track.run(ctx, tracks_1=two, tracks_2=one)
    assert both.path.shape == (3, 3, 2) and both.visibility.shape == (3, 3)  # type: ignore[union-attr]
    assert wan_move_concat_track.run(ctx, tracks_1=two) is two
    for wrong in ("[]", "{", '[[{"x": 1, "y": 2}], []]', "[[5]]"):
        with pytest.raises(NodeError, match="track_coords"):
            wan_move_tracks_from_coords.run(ctx, track_coords=wrong)


def test_guides_are_cut_off_at_the_end_of_a_video(ctx: Surroundings):
    latent = Latent(torch.randn(1, 128, 5, 2, 3))
    guided = (Cond(torch.zeros(1, 2, 4), extra={"keyframe_idxs": torch.zeros(1, 3, 12, 2)}),)
    positive, _, cut = ltxv_crop_guides.run(ctx, positive=guided, negative=guided, latent=latent)  # type: ignore[misc]
    assert torch.equal(cut.samples, latent.samples[:, :, :3]) and cut.noise_mask.shape == (1, 1, 3, 1, 1)
    assert positive[0].extra["keyframe_idxs"] is None
    _, _, same = ltxv_crop_guides.run(ctx, positive=positive, negative=guided, latent=latent)  # type: ignore[misc]
    assert same.samples is latent.samples and same.noise_mask.all()
    told, _ = ltxv_conditioning.run(ctx, positive=guided, negative=guided, frame_rate=30.0)  # type: ignore[misc]
    assert told[0].extra["frame_rate"] == 30.0


def test_views_of_a_solid_are_told_apart_by_waves(ctx: Surroundings):
    seen = ClipVisionOutput(None, torch.randn(1, 3, 8), torch.zeros(1, 3, 8))
    positive, negative = hunyuan_3d_conditioning.run(ctx, clip_vision_output=seen)  # type: ignore[misc]
    assert positive[0].context is seen.last_hidden_state and not negative[0].context.any()
    positive, _ = hunyuan_3d_conditioning_multi_view.run(ctx, front=seen, back=seen)  # type: ignore[misc]
    front, back = (positive[0].context - seen.last_hidden_state.repeat(1, 2, 1)).split(3, 1)
    assert torch.allclose(front[0, 0], torch.tensor([0.0] * 4 + [1.0] * 4), atol=1e-6)
    angles = 2 / 10000 ** (torch.arange(4) / 4)
    assert torch.allclose(back[0, 0], torch.cat((angles.sin(), angles.cos())), atol=1e-6)
    with pytest.raises(NodeError, match="No view"):
        hunyuan_3d_conditioning_multi_view.run(ctx)
