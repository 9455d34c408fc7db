"""Nodes that take any number of inputs, and the one that scales in many ways."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nodes.builtin.image_any_number import batch_images, batch_latents, batch_masks
from nodes.builtin.image_batch import merge_image_lists, rebatch_images
from nodes.builtin.image_dataset import random_crop_images
from nodes.builtin.latent_batch import resolution_bucket
from nodes.builtin.resize_either import resize_image_mask
from nodes.diffusion.values import Cond, Latent
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def test_pictures_of_any_size_and_alpha_become_one_batch(ctx: Surroundings):
    given = {
        "image0": torch.zeros(2, 6, 8, 3),
        "image1": torch.zeros(1, 12, 12, 4),
        "image2": torch.ones(1, 6, 8, 3),
    }
    made = batch_images.run(ctx, images=given)
    assert isinstance(made, Tensor)
    assert made.shape == (4, 6, 8, 4)
    assert (made[0, ..., 3] == 1).all()
    assert not made[2].any()
    assert torch.equal(made[3], torch.ones(6, 8, 4))


def test_masks_of_any_size_become_one_batch(ctx: Surroundings):
    made = batch_masks.run(ctx, masks={"mask0": torch.zeros(1, 6, 8), "mask1": torch.ones(2, 3, 3)})
    assert isinstance(made, Tensor)
    assert made.flatten(1).mean(1).tolist() == [0, 1, 1]


def test_latents_of_any_number_keep_the_noise_of_their_own_inputs(ctx: Surroundings):
    given = {
        "latent0": Latent(torch.zeros(2, 4, 6, 8), extra={"ratio": 8}),
        "latent1": Latent(torch.ones(1, 4, 12, 12)),
        "latent2": Latent(torch.ones(1, 4, 6, 8), batch_index=(7,)),
    }
    made = batch_latents.run(ctx, latents=given)
    assert isinstance(made, Latent)
    assert made.samples.shape == (4, 4, 6, 8)
    assert made.batch_index == (0, 1, 0, 7)
    assert made.extra == {"ratio": 8}


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ({"resize_type": "scale by multiplier", "multiplier": 1.5}, (60, 36)),
        ({"resize_type": "scale dimensions", "width": 10, "height": 0, "crop": "center"}, (10, 6)),
        ({"resize_type": "scale dimensions", "width": 0, "height": 0, "crop": "center"}, (40, 24)),
        ({"resize_type": "scale dimensions", "width": 7, "height": 9, "crop": "center"}, (7, 9)),
        ({"resize_type": "scale longer dimension", "longer_size": 20}, (20, 12)),
        ({"resize_type": "scale shorter dimension", "shorter_size": 12}, (20, 12)),
        ({"resize_type": "scale width", "width": 20}, (20, 12)),
        ({"resize_type": "scale height", "height": 12}, (20, 12)),
        ({"resize_type": "scale total pixels", "megapixels": 0.01}, (132, 79)),
        ({"resize_type": "match size", "match": torch.zeros(1, 5, 6, 3), "crop": "disabled"}, (6, 5)),
        ({"resize_type": "match size", "match": torch.zeros(1, 5, 6), "crop": "center"}, (6, 5)),
    ],
    ids=lambda value: str(value.get("resize_type")) if isinstance(value, dict) else None,
)
def test_a_picture_and_a_mask_are_scaled_alike_in_every_way(
    ctx: Surroundings, said: Mapping[str, object], size: tuple[int, int]
):
    picture, mask = torch.rand(2, 24, 40, 3), torch.rand(2, 24, 40)
    for method in ("area", "lanczos"):
        made = resize_image_mask.run(ctx, input=picture, resize_type=said, scale_method=method)
        assert isinstance(made, Tensor)
        assert made.shape == (2, size[1], size[0], 3)
        made = resize_image_mask.run(ctx, input=mask, resize_type=said, scale_method=method)
        assert isinstance(made, Tensor)
        assert made.shape == (2, size[1], size[0])


def test_a_side_of_nothing_is_refused(ctx: Surroundings):
    said = {"resize_type": "scale longer dimension", "longer_size": 0}
    with pytest.raises(NodeError, match="would be 0 x 0"):
        resize_image_mask.run(ctx, input=torch.rand(1, 8, 8, 3), resize_type=said, scale_method="area")


def test_pictures_of_a_list_are_regrouped_or_refused_by_size(ctx: Surroundings):
    pictures = [torch.zeros(3, 4, 4, 3), torch.ones(2, 4, 4, 3)]
    made = rebatch_images.run(ctx, images=pictures, batch_size=[2])
    assert isinstance(made, list)
    assert [len(batch) for batch in made] == [2, 2, 1]
    assert [len(each) for each in merge_image_lists.run(ctx, images=pictures)] == [1] * 5  # type: ignore[attr-defined]
    with pytest.raises(NodeError, match="differ in size: 4 x 4, 5 x 4"):
        rebatch_images.run(ctx, images=[*pictures, torch.zeros(1, 4, 5, 3)], batch_size=[2])


def test_a_random_crop_is_the_same_for_a_seed_and_keeps_small_sides(ctx: Surroundings):
    rows = torch.arange(40.0)[None, :, None, None].expand(2, 40, 10, 3) / 255
    made = [
        random_crop_images.run(ctx, images=rows, width=16, height=8, seed=seed) for seed in (1, 1, 2, 3, 4)
    ]
    assert all(isinstance(each, Tensor) and each.shape == (2, 8, 10, 3) for each in made)
    tops = [round(each[0, 0, 0, 0].item() * 255) for each in made]  # type: ignore[index]
    assert tops[0] == tops[1]
    assert len(set(tops)) > 2


def test_latents_for_training_are_grouped_by_size(ctx: Surroundings):
    def cond(number: float) -> tuple[Cond, ...]:
        return (Cond(torch.full((1, 1, 1), number)),)

    latents = [
        Latent(torch.zeros(1, 4, 8, 8)),
        Latent(torch.ones(1, 4, 4, 8)),
        Latent(torch.ones(2, 4, 8, 8)),
    ]
    groups, conds = resolution_bucket.run(ctx, latents=latents, conditioning=[cond(0), cond(1), cond(2)])  # type: ignore[misc]
    assert [tuple(group.samples.shape) for group in groups] == [(3, 4, 8, 8), (1, 4, 4, 8)]
    assert [[each.context.item() for each in group] for group in conds] == [[0, 2, 2], [1]]
    with pytest.raises(NodeError, match="3 latents and 1 conditionings"):
        resolution_bucket.run(ctx, latents=latents, conditioning=[cond(0)])
