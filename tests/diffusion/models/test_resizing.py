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
    assert mask_for(torch.rand(1, 64, 48), (1, 4, 5, 8, 6)).shape == (1, 4, 5, 8, 6)
