"""How previews are made: by the linear map, or by a small decoder if a person asks and has one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodes.builtin.previews import Method, Previews, preview
from nodes.diffusion.latent_formats import LatentFormat, latent_format
from nodes.diffusion.preview import colours
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

CPU = torch.device("cpu")
LATENTS = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def put_decoder(workspace: Workspace, name: str = "taesd_decoder.safetensors") -> None:
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    tiny = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4)
    folder = workspace.models / "vae_approx"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tiny.state_dict(), folder / name)


def test_the_linear_map_is_taken_unless_a_person_asks_for_more(workspace: Workspace):
    put_decoder(workspace)
    form = latent_format("SD15")
    for method in (Method.AUTO, Method.LINEAR):
        picture, said = Previews(workspace, CPU, method).picture(LATENTS, form, "")
        expected = colours(LATENTS, form)
        assert picture is not None and expected is not None
        assert torch.equal(picture, expected)
        assert said == ""


@pytest.mark.parametrize(("server", "job"), [(Method.SMALL_DECODER, ""), (Method.AUTO, "taesd")])
def test_a_small_decoder_shows_every_pixel(workspace: Workspace, server: Method, job: str):
    put_decoder(workspace)
    picture, said = Previews(workspace, CPU, server).picture(LATENTS, latent_format("SD15"), job)
    assert picture is not None
    assert picture.shape == (1, 32, 32, 3)
    assert said == ""


def test_what_is_missing_is_said_and_the_map_is_taken(workspace: Workspace):
    previews = Previews(workspace, CPU, Method.SMALL_DECODER)
    picture, said = previews.picture(LATENTS, latent_format("SD15"), "")
    assert picture is not None
    assert picture.shape == (1, 4, 4, 3)
    assert "no small decoder taesd_decoder in models/vae_approx" in said


def test_a_small_decoder_that_cannot_be_read_is_said_too(workspace: Workspace):
    put_decoder(workspace, "taesd3_decoder.safetensors")
    previews = Previews(workspace, CPU, Method.SMALL_DECODER)
    picture, said = previews.picture(torch.zeros(1, 16, 4, 4), latent_format("SD3"), "")
    assert picture is not None
    assert "is for latents of 4 channels" in said


def test_without_a_map_a_small_decoder_stands_in(workspace: Workspace):
    put_decoder(workspace)
    form = LatentFormat(small_decoder="taesd_decoder")
    picture, _ = Previews(workspace, CPU).picture(LATENTS, form, "")
    assert picture is not None
    assert picture.shape == (1, 32, 32, 3)


@pytest.mark.parametrize("name", ["SD15", "SDXL", "SD3", "Flux", "Flux2", "Wan21", "LTXV", "HunyuanVideo15"])
def test_latents_of_every_kind_of_family_are_shown(workspace: Workspace, name: str):
    form = latent_format(name)
    latents = torch.randn(1, form.channels, *(2, 3, 4)[3 - form.axes :])
    ctx = Surroundings(workspace, {Previews: Previews(workspace, CPU)})
    shown = preview(ctx, latents, form)
    assert shown is not None
    assert shown.data.startswith(b"\xff\xd8")


def test_nobody_looks_nothing_is_made(workspace: Workspace):
    ctx = Surroundings(workspace, previews=False)
    assert preview(ctx, LATENTS, latent_format("SD15")) is None
