"""Resizing and masks, held to the field's recorded answers."""

import json
from pathlib import Path

import pytest
import torch

from nodes.diffusion.resize import Method, mask_for, resize

GOLDEN = json.loads((Path(__file__).parents[2] / "data" / "golden" / "misc.json").read_text())
CHANCE = torch.Generator().manual_seed(11)
PLANES = {
    "latent": torch.randn(1, 4, 8, 8, generator=CHANCE),
    "image": torch.rand(1, 3, 9, 12, generator=CHANCE),
}
CASES = [(kind, case) for kind in PLANES for case in GOLDEN[kind]]


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_a_size(kind, case):
    method, size, crop = case.split("/")
    width, height = (int(side) for side in size.split("x"))
    agrees(resize(PLANES[kind], width, height, method, crop), GOLDEN[kind][case])


def agrees(made: torch.Tensor, expected) -> None:
    flat = made.flatten()
    assert list(made.shape) == expected["shape"]
    assert flat[:8].tolist() == pytest.approx(expected["first8"], abs=1e-5)
    assert flat[-4:].tolist() == pytest.approx(expected["last4"], abs=1e-5)
    assert float(flat.mean()) == pytest.approx(expected["mean"], abs=1e-5)
    assert float(flat.std()) == pytest.approx(expected["std"], abs=1e-5)


@pytest.mark.parametrize("method", [method.value for method in Method])
def test_the_same_size_changes_nothing_but_what_eight_bits_round(method):
    planes = PLANES["image"]
    off = (resize(planes, 12, 9, method) - planes).abs().max()
    assert off <= (1 / 255 if method == "lanczos" else 1e-6)


@pytest.mark.parametrize("method", ["bilinear", "bislerp"])
def test_frames_of_a_video_are_resized_one_by_one(method):
    video = torch.randn(2, 4, 3, 8, 8, generator=CHANCE)
    made = resize(video, 12, 6, method)
    assert made.shape == (2, 4, 3, 6, 12)
    assert torch.equal(made[:, :, 1], resize(video[:, :, 1], 12, 6, method))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError):
        resize(PLANES["image"], 4, 4, "sharpest")


def test_a_mask_covers_every_channel_and_the_whole_batch():
    made = mask_for(torch.rand(1, 64, 48, generator=CHANCE), (3, 4, 8, 6))
    assert made.shape == (3, 4, 8, 6) and torch.equal(made[0, 0], made[2, 3])
    still = mask_for(made[:1, 0], (2, 4, 5, 8, 6))  # one picture's mask is every frame's
    assert still.shape == (2, 4, 5, 8, 6) and torch.allclose(still, made[0, 0].expand(still.shape))


def test_masks_of_frames_stay_at_their_frames():
    frames = torch.rand(3, 8, 6, generator=CHANCE)
    for mask in (frames, frames[:, None], frames[None, None]):
        made = mask_for(mask, (2, 4, 3, 8, 6))
        assert all(torch.equal(made[item, channel], frames) for item in range(2) for channel in range(4))
    both = torch.rand(2, 1, 3, 1, 1, generator=CHANCE)  # a number for each frame of each of two videos
    assert torch.allclose(mask_for(both, (2, 4, 3, 8, 6)), both.expand(2, 4, 3, 8, 6))
    whole = torch.rand(2, 4, 3, 8, 6, generator=CHANCE)
    assert torch.equal(mask_for(whole, whole.shape), whole)
    twice = mask_for(torch.tensor([0.0, 1.0]).reshape(1, 1, 2, 1, 1), (1, 1, 4, 1, 1)).flatten()
    assert twice.tolist() == [0.0, 0.25, 0.75, 1.0]


def test_masks_of_single_frames_stay_at_their_pictures():
    masks = torch.rand(2, 8, 6, generator=CHANCE)
    made = mask_for(masks, (2, 4, 1, 8, 6))
    assert torch.equal(made[:, 0, 0], masks)


def test_masks_of_sounds_go_along_time():
    told = torch.tensor([[0.0, 1.0], [1.0, 0.5]])
    wanted = [[0.0, 0.25, 0.75, 1.0], [1.0, 0.875, 0.625, 0.5]]
    for mask in (told, told[:, None], told[:, None, None], told[:, None, None].expand(2, 1, 3, 2)):
        made = mask_for(mask, (2, 3, 4))
        assert made[:, 2].tolist() == wanted and torch.equal(made[:, 0], made[:, 2])
    assert mask_for(told, (5, 3, 4))[4, 0].tolist() == wanted[0]
