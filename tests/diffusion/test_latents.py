"""Latents between samplers: mixed, cut, pasted, filtered."""

import pytest
import torch
from torch import Tensor

from nodes.diffusion.latents import (
    Sharpen,
    TonemapReinhard,
    fitted,
    interpolated,
    pasted,
    sliced,
    stacked_slices,
    with_calm_start,
)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("shape", [(3, 4, 6, 5), (2, 4, 3, 6, 5)])
def test_interpolation_starts_and_ends_at_its_latents_whatever_the_batch(shape: tuple[int, ...]):
    one, other = noise(*shape), noise(*shape).flip(0)
    assert torch.allclose(interpolated(one, other, 1.0), one, atol=1e-5)
    assert torch.allclose(interpolated(one, other, 0.0), other, atol=1e-5)
    middle = interpolated(one, other, 0.5)
    lengths = [each.norm(dim=1) for each in (one, other, middle)]
    assert torch.allclose(lengths[2], (lengths[0] + lengths[1]) / 2, atol=1e-5)


def test_zeros_do_not_make_interpolation_fail():
    assert torch.equal(
        interpolated(torch.zeros(1, 4, 2, 2), torch.zeros(1, 4, 2, 2), 0.3), torch.zeros(1, 4, 2, 2)
    )


def test_latents_are_brought_to_size_and_number():
    assert fitted(noise(1, 4, 8, 6), noise(3, 4, 5, 5)).shape == (3, 4, 5, 5)
    assert fitted(noise(1, 4, 2, 8, 6), noise(2, 4, 2, 5, 5)).shape == (2, 4, 2, 5, 5)


def test_pasted_latents_fade_only_towards_sides_inside():
    onto, above = torch.zeros(1, 1, 6, 8), torch.ones(1, 1, 4, 4)
    made = pasted(onto, above, 4, 0, feather=2)
    assert made[0, 0, 1].tolist() == [0, 0, 0, 0, 0.5, 1, 1, 1]
    assert made[0, 0, :, 6].tolist() == [1, 1, 1, 0.5, 0, 0]
    assert pasted(onto, above, 6, 4)[0, 0].sum() == 4  # cut at the border


@pytest.mark.parametrize(
    ("index", "amount", "expected"),
    [(0, 2, [0, 1]), (4, 9, [4, 5]), (99, 1, [5]), (-2, 1, [4]), (-2, 9, [4, 5]), (-99, 2, [0, 1])],
)
def test_a_strip_ends_where_the_latents_end(index: int, amount: int, expected: list[int]):
    row = torch.arange(6.0).expand(1, 4, 3, 6)
    assert sliced(row, -1, index, amount)[0, 0, 0].tolist() == expected


def test_slices_become_a_batch_item_by_item():
    row = torch.stack([torch.arange(7.0), torch.arange(7.0) + 10]).reshape(2, 1, 1, 7)
    assert stacked_slices(row, 3, 3).flatten(1).tolist() == [[0, 1, 2], [3, 4, 5], [10, 11, 12], [13, 14, 15]]


def test_the_first_frames_move_towards_those_after_as_far_as_they_may():
    video = noise(1, 4, 8, 6, 6)
    video[:, :, :2] = video[:, :, :2] * 3 + 5
    calm = with_calm_start(video, 2, 4)
    assert torch.equal(calm[:, :, 2:], video[:, :, 2:])
    means = [each[:, :, 0].mean().item() for each in (video, calm)]
    spreads = [each[:, :, 0].std().item() for each in (video, calm)]
    assert means[0] - means[1] == pytest.approx(0.3, abs=1e-4)
    assert spreads[0] - spreads[1] == pytest.approx(0.35, abs=1e-4)
    assert torch.equal(with_calm_start(video[:, :, :1], 1, 5), video[:, :, :1])


@pytest.mark.parametrize("shape", [(2, 4, 20, 21), (1, 4, 3, 20, 21)])
def test_sharpening_leaves_plain_latents_alone_and_raises_contrast_elsewhere(shape: tuple[int, ...]):
    operation = Sharpen(3, 1.0, 0.1)
    plain = torch.full(shape, 0.7)
    assert torch.allclose(operation(latent=plain), plain, atol=1e-5)
    latents = noise(*shape)
    assert operation(latent=latents).std() > latents.std()


@pytest.mark.parametrize("shape", [(2, 4, 8, 8), (1, 4, 3, 8, 8)])
def test_tone_mapping_shortens_and_keeps_directions(shape: tuple[int, ...]):
    latents = noise(*shape)
    made = TonemapReinhard(1.0)(latent=latents)
    lengths = latents.norm(dim=1), made.norm(dim=1)
    assert (lengths[1] < lengths[0]).all()
    assert torch.allclose(
        torch.cosine_similarity(latents, made, dim=1), torch.ones_like(lengths[0]), atol=1e-5
    )
    assert not TonemapReinhard(0.0)(latent=latents).any()
