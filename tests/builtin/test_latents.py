"""Latents in batches: what becomes of masks and of the numbers that choose noise."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from nodes.builtin import latent_batch, latent_maths, latent_shape
from nodes.diffusion.latents import Sharpen
from nodes.diffusion.values import Latent
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def latent(count: int, side: int = 8, channels: int = 4, **more: object) -> Latent:
    values = torch.arange(count, dtype=torch.float32)
    return Latent(values.reshape(-1, 1, 1, 1).expand(count, channels, side, side).clone(), **more)  # type: ignore[arg-type]


def firsts(value: object) -> list[float]:
    assert isinstance(value, Latent)
    return value.samples.flatten(1)[:, 0].tolist()


def test_a_part_of_a_batch_keeps_its_noise_and_its_masks(ctx: Surroundings):
    masks = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, 64, 64)
    part = latent_batch.latent_from_batch.run(
        ctx, samples=latent(5, noise_mask=masks), batch_index=3, length=9
    )
    assert isinstance(part, Latent)
    assert firsts(part) == [3, 4]
    assert part.batch_index == (3, 4)
    assert part.noise_mask is not None
    assert part.noise_mask[:, 0, 0, 0].tolist() == [1, 0]
    numbered = latent(3, batch_index=(7, 8, 9))
    last = latent_batch.latent_from_batch.run(ctx, samples=numbered, batch_index=-1, length=1)
    assert isinstance(last, Latent)
    assert last.batch_index == (9,)


def test_repeated_latents_get_further_noise(ctx: Surroundings):
    made = latent_batch.repeat_latent_batch.run(ctx, samples=latent(2, batch_index=(3, 5)), amount=2)
    assert isinstance(made, Latent)
    assert made.batch_index == (3, 5, 6, 8)
    assert firsts(made) == [0, 1, 0, 1]


def test_latents_of_a_list_are_regrouped_within_one_size(ctx: Surroundings):
    made = latent_batch.rebatch_latents.run(
        ctx, latents=[latent(3), latent(2), latent(3, side=4)], batch_size=[2]
    )
    assert isinstance(made, list)
    assert [len(entry.samples) for entry in made] == [2, 2, 1, 2, 1]
    assert [entry.batch_index for entry in made] == [(0, 1), (2, 3), (4,), (5, 6), (7,)]
    assert all(entry.noise_mask is None for entry in made)


def test_masks_stay_with_their_latents_when_regrouped(ctx: Surroundings):
    mask = torch.zeros(1, 1, 64, 64)
    made = latent_batch.rebatch_latents.run(
        ctx, latents=[latent(1), latent(1, noise_mask=mask)], batch_size=[2]
    )
    assert isinstance(made, list)
    assert made[0].noise_mask.mean(dim=(1, 2, 3)).tolist() == [1, 0]


def test_one_seed_for_all_or_each_its_own(ctx: Surroundings):
    node = latent_batch.latent_batch_seed_behavior
    fixed = node.run(ctx, samples=latent(3, batch_index=(4, 5, 6)), seed_behavior="fixed")
    assert isinstance(fixed, Latent)
    assert fixed.batch_index == (4, 4, 4)
    free = node.run(ctx, samples=fixed, seed_behavior="random")
    assert isinstance(free, Latent)
    assert free.batch_index is None


def test_latents_of_pictures_have_no_time_to_cut(ctx: Surroundings):
    node, picture = latent_batch.latent_cut_to_batch, latent(2)
    assert node.run(ctx, samples=picture, dim="t", slice_size=1) is picture
    video = Latent(torch.arange(6.0).reshape(1, 1, 6, 1, 1))
    made = node.run(ctx, samples=video, dim="t", slice_size=2)
    assert isinstance(made, Latent)
    assert made.samples.flatten(1).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_frames_that_do_not_fit_change_nothing(ctx: Surroundings):
    node = latent_batch.replace_video_latent_frames
    video, new = Latent(torch.zeros(1, 1, 5, 1, 1)), Latent(torch.ones(1, 1, 2, 1, 1))

    def frames(index: int) -> list[float]:
        made = node.run(ctx, destination=video, index=index, source=new)
        assert isinstance(made, Latent)
        return made.samples.flatten().tolist()

    assert frames(3) == [0, 0, 0, 1, 1]
    assert frames(-5) == [1, 1, 0, 0, 0]
    assert frames(4) == [0] * 5
    assert frames(-6) == [0] * 5


@pytest.mark.parametrize(
    ("dim", "shape"), [("x", (2, 4, 8, 16)), ("-x", (2, 4, 8, 16)), ("y", (2, 4, 16, 8))]
)
def test_latents_are_joined_along_an_axis(ctx: Surroundings, dim: str, shape: tuple[int, ...]):
    made = latent_shape.latent_concat.run(
        ctx, samples1=latent(2), samples2=Latent(torch.ones(1, 4, 8, 8)), dim=dim
    )
    assert isinstance(made, Latent)
    assert made.samples.shape == shape
    assert made.samples[0, 0, 0, 0] == (1 if dim.startswith("-") else 0)


@pytest.mark.parametrize("node", [latent_maths.latent_add, latent_maths.latent_subtract])
def test_latents_of_two_families_are_refused_with_what_to_do(ctx: Surroundings, node: object):
    with pytest.raises(NodeError, match="differ in channels or frames"):
        node.run(ctx, samples1=latent(1), samples2=latent(1, channels=16))  # type: ignore[attr-defined]


def test_an_operation_is_applied_to_latents(ctx: Surroundings):
    operation = latent_maths.latent_operation_sharpen.run(ctx, sharpen_radius=2, sigma=1.0, alpha=0.2)
    assert operation == Sharpen(2, 1.0, 0.2)
    samples: Tensor = torch.randn(1, 4, 9, 9)
    made = latent_maths.latent_apply_operation.run(ctx, samples=Latent(samples), operation=operation)
    assert isinstance(made, Latent)
    assert torch.equal(made.samples, Sharpen(2, 1.0, 0.2)(latent=samples))


def test_a_small_latent_is_cropped_to_itself(ctx: Surroundings):
    made = latent_shape.latent_crop.run(ctx, samples=latent(1, side=5), width=64, height=64, x=512, y=0)
    assert isinstance(made, Latent)
    assert made.samples.shape == (1, 4, 5, 5)
