"""Videos that begin with pictures: what their latents, masks and conditions hold; sound and video on one wire."""

from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor

from nodes.builtin import all_nodes
from nodes.builtin.storage import ResultCodec
from nodes.compat.convert import outward
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.joined_latents import JoinedLatents, NoLatents
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pictures.layout import resized
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import PIXEL_SPACE, Cond, Latent, Vae
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.tiny import VAE, seeded

NODES: dict[str, Any] = {entry.spec.id: entry for entry in all_nodes()}
COND = (Cond(torch.zeros(1, 2, 4)),)
SIZE = {"width": 32, "height": 16}


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "models" / "vae").mkdir(parents=True)
    module = seeded(AutoencoderKL(**{**VAE, "latent_channels": 16}))
    save_file(module.state_dict(), folder / "models" / "vae" / "wide.safetensors")
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    files = Workspace(folder)
    return Surroundings(files, {Pool: Pool(placement, 2**30), ContentHashes: ContentHashes()})


@pytest.fixture(scope="module")
def vae(around: Surroundings) -> Vae:
    return NODES["VAELoader"].run(around, vae_name="wide.safetensors")


def frames(count: int) -> Tensor:
    return torch.rand(count, 20, 24, 3, generator=torch.Generator().manual_seed(count))


def encoded(around: Surroundings, vae: Vae, image: Tensor) -> Tensor:
    """As frames of one video, at the size of the nodes below."""
    fitted = resized(image, 32, 16, "bilinear", "center")
    return NODES["VAEEncode"].run(around, pixels=fitted, vae=vae).samples.movedim(0, 1)[None]


@pytest.mark.parametrize(("id", "frames_of"), [("Cosmos", 8), ("CosmosPredict2", 4)])
def test_cosmos_keeps_the_frames_that_it_is_given_and_makes_the_others(
    around: Surroundings, vae: Vae, id: str, frames_of: int
):
    made = NODES[f"{id}ImageToVideoLatent"].run(
        around, vae=vae, length=33, batch_size=2, start_image=frames(9), end_image=frames(1), **SIZE
    )
    count = 32 // frames_of + 1
    assert made.samples.shape == (2, 16, count, 2, 4)
    assert made.noise_mask.shape == (2, 1, count, 2, 4)
    kept = [0, 1, count - 1]  # nine pictures are two latent frames, counted in eights by both
    assert [place for place in range(count) if made.noise_mask[0, 0, place].max() == 0] == kept
    assert torch.allclose(made.samples[:1, :, :2], encoded(around, vae, frames(9))[:, :, :2], atol=1e-5)
    assert torch.allclose(made.samples[1:, :, -1:], encoded(around, vae, frames(1)), atol=1e-5)
    rest = made.samples[:, :, 2:-1]
    if id == "CosmosPredict2":  # nothing, for the model
        assert latent_format("Wan21").to_model(rest).abs().max() < 1e-6
    else:
        assert not rest.any()


def test_hunyuan_shows_a_picture_in_the_way_that_is_asked_for(around: Surroundings, vae: Vae):
    def run(kind: str) -> tuple[tuple[Cond, ...], Latent]:
        node = NODES["HunyuanImageToVideo"]
        given = {"positive": COND, "vae": vae, "length": 9, "batch_size": 1, "start_image": frames(2), **SIZE}
        return node.run(around, guidance_type=kind, **given)

    shown = encoded(around, vae, frames(2))
    beside, latent = run("v1 (concat)")
    assert torch.equal(beside[0].extra["concat_latent_image"], shown[0].movedim(0, 1))
    assert beside[0].extra["concat_mask"].flatten(3).amax(-1).flatten().tolist() == [0.0, 1.0, 1.0]
    assert latent.noise_mask is None and not latent.samples.any()
    within, latent = run("v2 (replace)")
    assert within[0].extra == {"guiding_frame_index": 0}
    assert torch.equal(latent.samples[:, :, :2], shown)
    assert latent.noise_mask is not None and latent.noise_mask.shape == (1, 1, 3, 2, 4)
    assert list(run("custom")[0][0].extra) == ["ref_latent"]


def test_a_vae_of_another_family_is_named_by_what_it_gives(around: Surroundings):
    with pytest.raises(NodeError, match=r"3 channels of 16 x 32 latents; this video has 32 of 1 x 2"):
        NODES["HunyuanVideo15ImageToVideo"].run(
            around, positive=COND, negative=COND, vae=PIXEL_SPACE, length=5, start_image=frames(1), **SIZE
        )


def test_kandinsky_gives_the_pictures_latents_or_none(around: Surroundings, vae: Vae):
    node = NODES["Kandinsky5ImageToVideo"]
    given = {"positive": COND, "negative": COND, "vae": vae, "length": 5, **SIZE}
    positive, _, latent, shown = node.run(around, start_image=frames(1), **given)
    assert torch.equal(shown.samples, positive[0].extra["time_dim_replace"])
    assert latent.samples.shape == (1, 16, 2, 2, 4)
    nothing = node.run(around, **given)[3]
    assert outward(nothing) == {}
    with pytest.raises(DiffusionError, match="Connect a picture to its start_image"):
        nothing.samples  # noqa: B018


def test_ltxv_puts_a_picture_into_the_first_frames_as_strongly_as_told(around: Surroundings):
    node = NODES["LTXVImgToVideoInplace"]
    before = Latent(torch.ones(1, 3, 4, 6, 5))
    image = torch.full((1, 6, 5, 3), 0.25)
    made = node.run(around, vae=PIXEL_SPACE, image=image, latent=before, strength=0.75)
    assert made.samples[:, :, 0].unique().tolist() == [-0.5]
    assert made.samples[:, :, 1:].unique().tolist() == [1.0]
    assert made.noise_mask.flatten().tolist() == [0.25, 1.0, 1.0, 1.0]
    assert before.samples.unique().tolist() == [1.0]
    assert node.run(around, vae=PIXEL_SPACE, image=image, latent=before, bypass=True) is before


def test_sound_and_video_travel_together_and_apart(around: Surroundings):
    video = Latent(torch.zeros(1, 8, 2, 3, 3), torch.full((1, 1, 2, 1, 1), 0.5))
    audio = Latent(torch.ones(1, 4, 7, 2))
    both = NODES["LTXVConcatAVLatent"].run(around, video_latent=video, audio_latent=audio)
    codec = ResultCodec()
    again = codec.unpack(codec.pack(both))
    assert isinstance(again, JoinedLatents)
    picture, sound = NODES["LTXVSeparateAVLatent"].run(around, av_latent=again)
    assert torch.equal(picture.samples, video.samples) and torch.equal(picture.noise_mask, video.noise_mask)
    assert torch.equal(sound.samples, audio.samples)
    assert torch.equal(sound.noise_mask, torch.ones(1, 4, 7, 2))
    with pytest.raises(DiffusionError, match="Take them apart with LTXVSeparateAVLatent"):
        NODES["LatentUpscaleBy"].run(around, samples=both, upscale_method="area", scale_by=2.0)
    with pytest.raises(NodeError, match="nothing to take apart"):
        NODES["LTXVSeparateAVLatent"].run(around, av_latent=audio)


def test_no_latents_are_kept_on_disk_too():
    codec = ResultCodec()
    assert codec.unpack(codec.pack(NoLatents())) == NoLatents()
