"""Latent formats: to the model's scale and back, and whose latents are whose."""

import pytest
import torch

from nodes.diffusion.latent_formats import LatentFormat, families, latent_format, latent_formats


def latents(form: LatentFormat) -> torch.Tensor:
    shape = (2, form.channels, *(3, 4, 5)[3 - form.axes :])
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 3 + 0.5


@pytest.mark.parametrize("name", latent_formats())
def test_latents_come_back_from_the_models_scale(name: str):
    form = latent_format(name)
    ours = latents(form)
    assert torch.allclose(form.from_model(form.to_model(ours)), ours, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SD15", 0.18215),
        ("SDXL", 0.13025),
        ("SD3", (1.0 - 0.0609) * 1.5305),
        ("Flux", (1.0 - 0.1159) * 0.3611),
        ("SC_Prior", 1.0),
        ("SC_B", 1 / 0.43),
        ("SD_X4", 0.08333),
        ("HunyuanVideo", 0.476986),
        ("HunyuanImage21", 0.75289),
        ("HunyuanImage21Refiner", 1.03682),
        ("HunyuanVideo15", 1.03682),
    ],
)
def test_one_becomes_what_the_family_says(name: str, expected: float):
    form = latent_format(name)
    ones = torch.ones(1, form.channels, *[1] * form.axes)
    assert torch.allclose(form.to_model(ones), torch.full_like(ones, expected), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, form in latent_formats().items() if form.mean is not None])
def test_the_mean_of_a_channel_is_the_models_zero_and_its_deviation_the_scale(name: str):
    form = latent_format(name)
    assert form.mean is not None
    assert form.deviation is not None
    assert len(form.mean) == len(form.deviation) == form.channels
    shape = (1, form.channels, *[1] * form.axes)
    assert torch.allclose(form.from_model(torch.zeros(shape)), form.mean.reshape(shape))
    spread = form.to_model((form.mean + form.deviation).reshape(shape))
    assert torch.allclose(spread, torch.full(shape, form.scale), atol=1e-5)


@pytest.mark.parametrize(
    "name", [name for name, form in latent_formats().items() if form.preview is not None]
)
def test_a_map_for_previews_has_a_row_for_each_channel(name: str):
    form = latent_format(name)
    assert form.preview is not None
    assert form.preview.shape[1] == 3
    assert len(form.preview) in (
        form.channels,
        form.channels // 4,
        24,
    )  # Flux 2 packs squares of 4; one has sound too
    assert form.preview_bias is None or form.preview_bias.shape == (3,)


def test_latents_are_told_by_their_channels():
    assert families(4, 2) == "Stable Diffusion 1 and 2 or SDXL"
    assert families(12, 3) == "Mochi"
    assert families(5, 2) == ""
