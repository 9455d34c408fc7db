"""Pictures that guide LTX Video, with a small autoencoder of its true build, read from a folder of diffusers."""

import json
from typing import Any, cast

import pytest
import torch
from diffusers import AutoencoderKLLTXVideo
from torch import Tensor

from nodes.builtin import all_nodes
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement, load_vae
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Cond, Conditioning, Latent, Vae
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.test_autoencoders import filled

NODES: dict[str, Any] = {entry.spec.id: entry for entry in all_nodes()}
PLACEMENT = Placement(torch.device("cpu"), torch.float32, torch.float32)
COND = (Cond(torch.zeros(1, 2, 4)),)
SIZES = {
    "block_out_channels": (8, 8, 8, 8),
    "decoder_block_out_channels": (8, 8, 8, 8),
    "layers_per_block": (1, 1, 1, 1, 1),
    "decoder_layers_per_block": (1, 1, 1, 1, 1),
}


@pytest.fixture(scope="module")
def module() -> Any:
    made = filled(AutoencoderKLLTXVideo(**SIZES))
    made.latents_std.copy_(torch.linspace(0.5, 2, 128))
    return made


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory, module: Any) -> Surroundings:
    folder = tmp_path_factory.mktemp("workspace")
    module.save_pretrained(folder / "models" / "vae" / "ltx" / "vae")
    index = {"_class_name": "LTXPipeline", "vae": ["diffusers", "AutoencoderKLLTXVideo"]}
    (folder / "models" / "vae" / "ltx" / "model_index.json").write_text(json.dumps(index))
    return Surroundings(Workspace(folder), {Pool: Pool(PLACEMENT, 2**30), ContentHashes: ContentHashes()})


@pytest.fixture(scope="module")
def vae(around: Surroundings) -> Vae:
    return NODES["VAELoader"].run(around, vae_name="ltx")


def frames(count: int) -> Tensor:
    return torch.rand(count, 32, 64, 3, generator=torch.Generator().manual_seed(count))


def encoded(module: Any, pictures: Tensor) -> Tensor:
    latents = module.encode((pictures * 2 - 1).movedim(-1, 0)[None]).latent_dist.mode()
    return (latents - module.latents_mean.view(1, -1, 1, 1, 1)) / module.latents_std.view(1, -1, 1, 1, 1)


def guided(
    around: Surroundings, vae: Vae, latent: Latent, **told: object
) -> tuple[Conditioning, Conditioning, Latent]:
    positive = cast("Conditioning", told.pop("positive", COND))
    return NODES["LTXVAddGuide"].run(
        around, positive=positive, negative=positive, vae=vae, latent=latent, **told
    )


def test_its_autoencoder_gives_normal_latents_and_takes_them(module: Any, around: Surroundings, vae: Vae):
    coder = load_vae(vae.checkpoint.path, PLACEMENT)
    pictures = frames(9)
    latents = coder.encode_video(pictures)
    assert latents.shape == (1, 128, 2, 1, 2) and (coder.pixels, coder.channels) == (32, 128)
    assert torch.allclose(latents, encoded(module, pictures), atol=1e-5)
    mean, deviation = (part.view(1, -1, 1, 1, 1) for part in (module.latents_mean, module.latents_std))
    shown = (module.decode(latents * deviation + mean).sample[0].movedim(0, -1) + 1) / 2
    assert torch.allclose(coder.decode(latents), shown.clamp(0, 1), atol=1e-5)


def test_a_picture_guides_from_the_end_of_the_latents(module: Any, around: Surroundings, vae: Vae):
    video, picture = Latent(torch.zeros(2, 128, 3, 1, 2)), frames(1)
    positive, negative, made = guided(around, vae, video, image=picture, frame_idx=-1, strength=0.75)
    assert made.samples.shape == (2, 128, 4, 1, 2) and not made.samples[:, :, :3].any()
    assert torch.allclose(made.samples[1:, :, 3:], encoded(module, picture), atol=1e-5)
    assert made.noise_mask is not None and made.noise_mask.shape == (2, 1, 4, 1, 1)
    assert made.noise_mask[0].flatten().tolist() == [1, 1, 1, 0.25]
    # The last of 17 pictures: one picture long, over two latents side by side.
    want = torch.tensor([[[16, 17], [16, 17]], [[0, 32], [0, 32]], [[0, 32], [32, 64]]])[None]
    for side in (positive, negative):
        assert torch.equal(cast("Tensor", side[0].extra["keyframe_idxs"]), want)
        (entry,) = cast("list[dict[str, object]]", side[0].extra["guide_attention_entries"])
        assert entry == {
            "pre_filter_count": 2,
            "strength": 0.75,
            "pixel_mask": None,
            "latent_shape": [1, 1, 2],
        }


def test_several_pictures_begin_at_a_whole_latent_and_leave_out_the_first(
    module: Any, around: Surroundings, vae: Vae
):
    video, pictures = Latent(torch.zeros(1, 128, 4, 1, 2)), frames(11)
    positive, _, made = guided(around, vae, video, image=pictures, frame_idx=12)
    doubled = torch.cat((pictures[:1], pictures[:8]))
    assert torch.allclose(made.samples[:, :, 4:], encoded(module, doubled)[:, :, 1:], atol=1e-5)
    places = cast("Tensor", positive[0].extra["keyframe_idxs"])
    assert places[0, 0].tolist() == [[9, 17], [9, 17]]
    whole = guided(around, vae, video, image=pictures, frame_idx=0)
    assert torch.allclose(whole[2].samples[:, :, 4:], encoded(module, pictures[:9]), atol=1e-5)
    assert cast("Tensor", whole[0][0].extra["keyframe_idxs"])[0, 0].tolist() == [
        [0, 1],
        [0, 1],
        [1, 9],
        [1, 9],
    ]


def test_guides_follow_each_other_and_are_taken_away_together(around: Surroundings, vae: Vae):
    video = Latent(torch.zeros(1, 128, 3, 1, 2), torch.full((1, 1, 3, 1, 1), 0.5))
    first = guided(around, vae, video, image=frames(1), frame_idx=0)
    second = guided(around, vae, first[2], image=frames(1), frame_idx=-1, positive=first[0])
    places = cast("Tensor", second[0][0].extra["keyframe_idxs"])
    assert places[0, 0, :, 0].tolist() == [0, 0, 16, 16]  # counted without the first guide
    assert second[2].samples.shape[2] == 5
    crop = NODES["LTXVCropGuides"]
    _, _, made = crop.run(around, positive=second[0], negative=second[1], latent=second[2])
    assert torch.equal(made.samples, video.samples) and torch.equal(made.noise_mask, video.noise_mask)


def test_a_guide_beyond_the_end_or_of_another_family_is_refused(around: Surroundings, vae: Vae):
    with pytest.raises(NodeError, match="go beyond the video"):
        guided(around, vae, Latent(torch.zeros(1, 128, 2, 1, 2)), image=frames(9), frame_idx=10)
    with pytest.raises(NodeError, match="has 128 channels"):
        guided(around, vae, Latent(torch.zeros(1, 16, 2, 1, 2)), image=frames(1))
