"""Previews: a map that tells colours, or none."""

import json
import shutil
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from nodes.diffusion.denoiser import LatentFormat
from nodes.diffusion.models.load import load_network
from nodes.diffusion.preview import colours, sd1_format, with_fitted_map


@dataclass
class Linear:
    """An encoder whose latents are colours mixed, so that a linear map undoes it."""

    mix: torch.Tensor
    pixels: int = 4

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        pooled = F.avg_pool2d(image.movedim(-1, 1), self.pixels)
        return torch.einsum("bchw,kc->bkhw", pooled, self.mix) + 0.3


class Noise(Linear):
    """An encoder whose latents tell nothing."""

    def encode(self, image: torch.Tensor) -> torch.Tensor:
        return torch.randn(super().encode(image).shape, generator=torch.Generator().manual_seed(0))


MIX = torch.randn(4, 3, generator=torch.Generator().manual_seed(2))


def test_a_fitted_map_finds_the_colours():
    encoder, picture = Linear(MIX), torch.rand(1, 8, 8, 3, generator=torch.Generator().manual_seed(1))
    form = with_fitted_map(LatentFormat(scale=0.5, pixels=4), encoder)
    expected = F.avg_pool2d(picture.movedim(-1, 1), 4).movedim(1, -1)
    made = colours(encoder.encode(picture), form)
    assert made is not None and torch.allclose(made, expected, atol=1e-4)


def test_latents_that_tell_no_colours_have_no_preview():
    form = with_fitted_map(LatentFormat(pixels=4), Noise(MIX))
    assert form.preview is None and colours(torch.zeros(1, 4, 2, 2), form) is None


def test_latents_of_another_kind_have_no_preview():
    assert colours(torch.zeros(1, 16, 2, 2), sd1_format()) is None
    assert colours(torch.zeros(1, 4, 1, 2, 2), sd1_format()) is None


def test_a_stored_map_is_taken(model_folder, tmp_path, placement):
    shutil.copytree(model_folder, tmp_path / "model")
    factors = [[1.0, 2.0, 3.0]] * 4
    (tmp_path / "model" / "preview.json").write_text(
        json.dumps({"factors": factors, "bias": [0.1, 0.2, 0.3]})
    )
    form = load_network(tmp_path / "model", placement).latent_format
    assert form.preview is not None and form.preview.tolist() == factors


def test_a_stored_map_that_does_not_fit_is_not(model_folder, tmp_path, placement):
    shutil.copytree(model_folder, tmp_path / "model")
    (tmp_path / "model" / "preview.json").write_text(json.dumps({"factors": [[1.0]]}))
    form = load_network(tmp_path / "model", placement).latent_format
    assert form.preview is None or form.preview.shape == (4, 3)
