"""Pictures for control networks: what holds of the filters, and depth as the pipeline of transformers gives it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
)
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil
from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil
from transformers.pipelines.depth_estimation import DepthEstimationPipeline

from nodes.builtin import all_nodes
from nodes.builtin.preprocessors import _boxes
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.pose import load_pose
from nodes.diffusion.pictures.skeletons import drawn
from nodes.diffusion.pool import Pool
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.tiny import seeded

NODES = {entry.spec.id: entry for entry in all_nodes()}
PICTURE = torch.rand(1, 40, 56, 3, generator=torch.Generator().manual_seed(2)).mul(255).round() / 255
READING = {"size": {"height": 28, "width": 28}, "ensure_multiple_of": 14}


def anything() -> Any:
    eye = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2"], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=eye, reassemble_hidden_size=16, patch_size=14, reassemble_factors=[4, 2],
        neck_hidden_sizes=[8, 8], fusion_hidden_size=8, head_hidden_size=4,
    )  # fmt: skip
    return DepthAnythingForDepthEstimation(config)


def dpt() -> Any:
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24, image_size=28, patch_size=14,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, is_hybrid=False,
    )  # fmt: skip
    return DPTForDepthEstimation(config)


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    (tmp_path / "models" / "geometry_estimation" / "one").mkdir(parents=True)
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    resources = {Pool: Pool(placement, 2**30), ContentHashes: ContentHashes()}
    return Surroundings(Workspace(tmp_path), resources)


def run(around: Surroundings, name: str, **told: object) -> Tensor:
    made = NODES[name].run(around, **told)
    assert isinstance(made, Tensor)
    return made


@pytest.mark.parametrize("make", [anything, dpt])
def test_depth_is_what_the_pipeline_of_transformers_says(around: Surroundings, make: Any):
    folder = around.files.root / "models" / "geometry_estimation" / "one"
    module = seeded(make(), 3)
    module.config.save_pretrained(folder)
    save_file(
        {name: part.contiguous() for name, part in module.state_dict().items()}, folder / "model.safetensors"
    )
    (folder / "preprocessor_config.json").write_text(
        json.dumps(READING | {"image_processor_type": "DPTImageProcessor"})
    )
    told = {"image": PICTURE, "depth_model": "one/model.safetensors"}
    made = run(around, "WeftDepthMap", **told, invert=False)
    pipeline = DepthEstimationPipeline(model=module, image_processor=DPTImageProcessorPil(**READING))
    picture = Image.fromarray((PICTURE[0].numpy() * 255).round().astype(np.uint8))
    wanted = pipeline(picture)["predicted_depth"]
    wanted = (wanted - wanted.min()) / (wanted.max() - wanted.min())
    torch.testing.assert_close(made[0, ..., 0], wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(run(around, "WeftDepthMap", **told, invert=True), 1.0 - made)
    (folder / "config.json").write_text('{"model_type": "clip"}')
    around.resources = {**around.resources, Pool: Pool(around.resource(Pool).placement, 2**30)}
    with pytest.raises(NodeError, match="it is a clip"):
        run(around, "WeftDepthMap", **told, invert=False)
    (folder / "config.json").unlink()
    with pytest.raises(NodeError, match=r"no config\.json"):
        run(around, "WeftDepthMap", **told, invert=False)


def test_where_there_is_no_network_the_folder_is_named(around: Surroundings):
    with pytest.raises(NodeError, match="models/geometry_estimation"):
        run(around, "WeftDepthMap", image=PICTURE, depth_model="", invert=False)


def test_a_dark_stroke_becomes_a_line_and_an_even_picture_none(around: Surroundings):
    picture = torch.full((1, 32, 32, 3), 0.8)
    assert float(run(around, "WeftLineArt", image=picture, surroundings=6.0, invert=False).max()) == 0.0
    picture[:, :, 15:17] = 0.2
    made = run(around, "WeftLineArt", image=picture, surroundings=6.0, invert=False)
    assert float(made[0, 16, 15:17].min()) > 0.4 and float(made[0, :, :8].max()) < 0.05
    inverted = run(around, "WeftLineArt", image=picture, surroundings=6.0, invert=True)
    torch.testing.assert_close(inverted, 1.0 - made)


def test_a_tile_keeps_means_and_loses_details(around: Surroundings):
    made = run(around, "WeftTileHint", image=PICTURE, times_smaller=4.0, blur=1.0)
    assert made.shape == PICTURE.shape
    torch.testing.assert_close(made.mean((1, 2)), PICTURE.mean((1, 2)), atol=0.02, rtol=0)
    assert float(made.std()) < 0.5 * float(PICTURE.std())
    assert torch.equal(run(around, "WeftTileHint", image=PICTURE, times_smaller=1.0, blur=0.0), PICTURE)


def test_brightness_is_rec_601_or_cie(around: Surroundings):
    luma = run(around, "WeftBrightness", image=PICTURE, kind="luma")
    wanted = PICTURE @ torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(luma[..., 1], wanted, atol=1e-5, rtol=0)
    gray = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 3, 1).expand(1, 1, 3, 3)
    lightness = run(around, "WeftBrightness", image=gray, kind="lightness (CIE L*)")
    torch.testing.assert_close(lightness[0, 0, :, 0], torch.tensor([0.0, 0.5339, 1.0]), atol=1e-3, rtol=0)


def vitpose() -> Any:
    eye = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        out_indices=[2], mlp_ratio=2,
    )  # fmt: skip
    return VitPoseForPoseEstimation(
        VitPoseConfig(backbone_config=eye, num_labels=17, use_simple_decoder=False)
    )


def test_poses_are_where_transformers_finds_them(around: Surroundings):
    folder = around.files.root / "models" / "detection" / "one"
    folder.mkdir(parents=True)
    module = seeded(vitpose(), 3)
    module.config.save_pretrained(folder)
    save_file(
        {name: part.contiguous() for name, part in module.state_dict().items()}, folder / "model.safetensors"
    )
    network = load_pose(folder / "model.safetensors", around.resource(Pool).placement)
    boxes = [(4.0, 6.0, 30.0, 28.0), (0.0, 0.0, 56.0, 40.0)]
    made = network.poses(PICTURE[0].movedim(-1, 0), boxes)
    processor = VitPoseImageProcessorPil(size={"height": 64, "width": 48})
    picture = (PICTURE[0].numpy() * 255).round().astype(np.uint8)
    read = processor(
        images=Image.fromarray(picture), boxes=[[list(box) for box in boxes]], return_tensors="pt"
    )
    with torch.no_grad():
        answer = module(read["pixel_values"].float())
    (wanted,) = processor.post_process_pose_estimation(answer, boxes=[[list(box) for box in boxes]])
    for ours, theirs in zip(made, wanted, strict=True):
        torch.testing.assert_close(ours.sure, theirs["scores"], rtol=1e-3, atol=1e-3)
        apart = (ours.places - theirs["keypoints"].float()).abs().amax(-1)
        assert (
            int((apart < 1e-2).sum()) > 5
        )  # of random maps some are flat or not above 0, where nothing can be found
    drawing = run(
        around, "WeftPoseMap", image=PICTURE, pose_model="one/model.safetensors", least_sure=0.0, people=None
    )
    assert drawing.shape == PICTURE.shape and float(drawing.max()) > 0.5


def test_a_skeleton_has_limbs_between_sure_points_alone():
    places, sure = torch.full((17, 2), 8.0), torch.zeros(17)
    places[5], places[7], sure[5], sure[7] = torch.tensor([10.0, 20.0]), torch.tensor([40.0, 20.0]), 1.0, 1.0
    made = drawn([(places, sure)], 64, 64, 0.5)
    assert float(made[:, 20, 12:38].amax(0).min()) > 0.5 and float(made[:, 30:].max()) == 0.0


def test_each_mask_marks_a_person(around: Surroundings):
    masks = torch.zeros(2, 20, 28)
    masks[0, 5:10, 7:14] = 1.0
    assert _boxes(masks, 40, 56) == [(14.0, 10.0, 14.0, 10.0)]
