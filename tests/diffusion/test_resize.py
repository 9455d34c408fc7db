"""Resizing, held to the field's recorded answers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes.diffusion.resize import Method, resize

GOLDEN: Any = json.loads((Path(__file__).parents[1] / "data" / "golden" / "misc.json").read_text())


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(11)
    latent = torch.randn(1, 4, 8, 8, generator=generator)
    return {"latent": latent, "image": torch.rand(1, 3, 9, 12, generator=generator)}


@pytest.mark.parametrize(
    ("kind", "case"), [(kind, case) for kind in ("latent", "image") for case in GOLDEN[kind]]
)
def test_resizing(kind: str, case: str):
    mode, size, crop = case.split("/")
    width, height = (int(side) for side in size.split("x"))
    made = resize(inputs()[kind], width, height, mode, crop)
    expected = GOLDEN[kind][case]
    flat = made.double().flatten()
    assert list(made.shape) == expected["shape"]
    assert flat[:8].tolist() == pytest.approx(expected["first8"], abs=1e-5)
    assert flat[-4:].tolist() == pytest.approx(expected["last4"], abs=1e-5)
    assert float(flat.mean()) == pytest.approx(expected["mean"], abs=1e-5)
    assert float(flat.std()) == pytest.approx(expected["std"], abs=1e-5)


@pytest.mark.parametrize("mode", [method.value for method in Method])
def test_the_same_size_changes_nothing_beyond_rounding(mode: str):
    picture = torch.randint(0, 256, (2, 3, 6, 7), generator=torch.Generator().manual_seed(0)) / 255
    assert torch.allclose(resize(picture, 7, 6, mode), picture, atol=1 / 255 + 1e-6)


def test_frames_are_resized_one_by_one():
    frames = torch.rand(2, 3, 4, 6, 8)
    made = resize(frames, 4, 3, "area")
    assert made.shape == (2, 3, 4, 3, 4)
    assert torch.equal(made[1, :, 2], resize(frames[1:2, :, 2], 4, 3, "area")[0])
