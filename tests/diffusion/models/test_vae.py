"""The VAE at the edges: odd sizes, batches, tiles, ranges."""

import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from nodes import starter
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.load import load_vae
from nodes.diffusion.vae import VaeCoder

if sys.platform == "linux":
    import resource
else:
    resource = None

CHANCE = torch.Generator().manual_seed(1)


@pytest.fixture(scope="module")
def vae(model_file, placement):
    return load_vae(model_file, placement)


def test_what_fills_no_latent_is_cut_off_evenly(vae):
    picture = torch.rand(1, 45, 59, 3, generator=CHANCE)
    assert torch.equal(vae.fitted(picture), picture[:, 2:42, 1:57])
    assert torch.equal(vae.encode(picture), vae.encode(picture[:, 2:42, 1:57]))
    assert vae.encode(picture).shape == (1, 4, 5, 7)


def test_a_fourth_channel_is_left_out(vae):
    picture = torch.rand(1, 16, 16, 4, generator=CHANCE)
    assert torch.equal(vae.encode(picture), vae.encode(picture[..., :3]))


def test_an_item_does_not_depend_on_its_batch(vae):
    latents = torch.randn(3, 4, 4, 4, generator=CHANCE)
    assert torch.equal(vae.decode(latents)[1:2], vae.decode(latents[1:2]))


def test_a_decoded_picture_lies_between_0_and_1(vae):
    made = vae.decode(torch.randn(1, 4, 4, 4, generator=CHANCE) * 50)
    assert made.shape == (1, 32, 32, 3) and made.dtype == torch.float32
    assert made.min() >= 0 and made.max() <= 1


def test_tiles_that_hold_the_whole_picture_change_nothing(vae):
    latents = torch.randn(1, 4, 6, 5, generator=CHANCE)
    assert torch.allclose(vae.decode_tiled(latents, 64, 16), vae.decode(latents), atol=1e-6)
    picture = torch.rand(1, 24, 32, 3, generator=CHANCE)
    assert torch.allclose(vae.encode_tiled(picture, 512, 64), vae.encode(picture), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(20, 20), (9, 33), (8, 17)])
def test_tiles_cover_every_pixel(vae, height, width):
    made = vae.decode_tiled(torch.randn(1, 4, height, width, generator=CHANCE), 8, 2)
    assert made.shape == (1, height * 8, width * 8, 3) and made.isfinite().all()


@pytest.mark.parametrize(("tile", "overlap"), [(4, 4), (4, 9)])
def test_an_overlap_as_large_as_a_tile_leaves_no_hole(vae, tile, overlap):
    made = vae.decode_tiled(torch.randn(1, 4, 9, 11, generator=CHANCE), tile, overlap)
    assert made.shape == (1, 72, 88, 3) and made.isfinite().all()


def test_tiles_come_near_the_whole_and_their_seams_are_blended(placement):
    """Of a trained autoencoder; what random weights make of a place depends on all of the picture."""
    trained = load_vae(starter.path(), placement)
    colours = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    latents = trained.encode(F.interpolate(colours, (192, 192), mode="bilinear").movedim(1, -1))
    whole = trained.decode(latents)

    def seam(tiled: torch.Tensor) -> float:
        """By how much a step between columns differs most from the whole's."""
        steps = [picture[:, :, 1:] - picture[:, :, :-1] for picture in (whole, tiled)]
        return float((steps[0] - steps[1]).abs().mean(dim=(0, 1, 3)).max())

    blended, abrupt = trained.decode_tiled(latents, 16, 4), trained.decode_tiled(latents, 16, 0)
    assert (whole - blended).abs().mean() < 0.02  # measured: 0.011
    assert seam(blended) < 0.01
    assert seam(blended) < seam(abrupt) / 3


def test_encoded_tiles_come_near_the_whole(placement):
    """Of a trained autoencoder, whose latents have a deviation of 0.8 here."""
    trained = load_vae(starter.path(), placement)
    colours = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    picture = F.interpolate(colours, (128, 128), mode="bilinear").movedim(1, -1).contiguous()
    whole = trained.encode(picture)
    apart = {
        tile: float((trained.encode_tiled(picture, tile, tile // 4) - whole).abs().mean())
        for tile in (64, 96)
    }
    assert apart[96] < 0.06 and apart[96] < apart[64] < 0.15


def test_latents_of_another_family_are_refused_by_name(vae):
    with pytest.raises(
        DiffusionError, match="a picture's with 16 channels, as of Stable Diffusion 3 or Flux"
    ):
        vae.decode(torch.zeros(1, 16, 4, 4))
    with pytest.raises(DiffusionError, match="a video's with 12 channels, as of Mochi"):
        vae.decode_tiled(torch.zeros(1, 12, 2, 4, 4))


class Wide(torch.nn.Module):
    """A decoder of little work and much memory."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.last = torch.nn.Conv2d(4, 64, 1), torch.nn.Conv2d(64, 3, 1)

    def decode(self, latents, return_dict):
        del return_dict
        return (self.last(self.wide(F.interpolate(latents, scale_factor=8))),)


@pytest.mark.skipif(resource is None, reason="only Linux says how much memory a process may have")
def test_a_machine_that_runs_out_of_memory_decodes_in_tiles_and_says_so(placement):
    """Really: with less room than the whole takes. What is larger than 32 MB is asked of the system each time."""
    vae = VaeCoder(Wide(), 8, 4, placement.device, torch.float32)
    latents = torch.randn(
        1, 4, 544, 32, generator=CHANCE
    )  # 285 MB for 64 channels of the picture, 67 MB at most of a tile
    told: list[str] = []
    vae.decode(latents[:, :, :64], told.append)
    assert not told
    with only(220 << 20):
        made = vae.decode(latents, told.append)
    assert told == [
        "There was too little memory: the picture was decoded in tiles, which changes it slightly."
    ]
    assert made.shape == (1, 4352, 256, 3) and made.isfinite().all()


@contextmanager
def only(spare: int):
    """This process gets so many bytes more than it has."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_too_little_memory_means_tiles_and_a_word_about_it(vae, monkeypatch, caplog):
    latents = torch.randn(1, 4, 140, 5, generator=CHANCE)
    decode, asked = vae.module.decode, []

    def narrow(planes, **options):
        asked.append(planes.shape)
        if planes.shape[-2] > 130:
            raise torch.OutOfMemoryError("too large")
        return decode(planes, **options)

    monkeypatch.setattr(vae.module, "decode", narrow)
    told = []
    assert vae.decode(latents, told.append).shape == (1, 1120, 40, 3)
    assert len(asked) > 3 and "decoded in tiles" in told[0] and not caplog.text
    vae.decode(latents)
    assert "tiles" in caplog.text
