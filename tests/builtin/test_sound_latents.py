"""Sounds to latents and back through the nodes, with a small autoencoder of Stable Audio's true build."""

import json
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderOobleck
from safetensors.torch import load_file
from torch import Tensor

from nodes.builtin import all_nodes
from nodes.diffusion.audio import resampled
from nodes.diffusion.joined_latents import JoinedLatents
from nodes.diffusion.media import Audio
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import PIXEL_SPACE, Latent, Vae
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.transformers import some

NODES: dict[str, Any] = {entry.spec.id: entry for entry in all_nodes()}
PLACEMENT = Placement(torch.device("cpu"), torch.float32, torch.float32)
RATIOS = [2, 4, 8]  # as published: 2, 4, 4, 8, 8
HOP = 64  # samples to one latent
GAIN = 200


@pytest.fixture(scope="module")
def module() -> Any:
    """Both halves as published but for their widths. Small latents are quiet, since its decoder adds nothing."""
    made: Any = AutoencoderOobleck(
        encoder_hidden_size=128, channel_multiples=[1] * 3, decoder_channels=4, downsampling_ratios=RATIOS
    )
    for seed, (name, tensor) in enumerate(made.state_dict().items()):
        if name.endswith(("alpha", "beta")):
            tensor.copy_(some(*tensor.shape, seed=seed) * 0.1)
        if name.startswith("decoder.") and name.endswith("bias"):
            tensor.zero_()
    made.state_dict()["decoder.conv2.weight_g"].mul_(GAIN)
    return made.eval().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory, module: Any) -> Surroundings:
    folder = tmp_path_factory.mktemp("workspace")
    for name, part, pipeline in (
        ("sounds", module, "StableAudioPipeline"),
        ("pictures", AutoencoderKL(block_out_channels=(32,)), "StableDiffusionPipeline"),
    ):
        part.save_pretrained(folder / "models" / "vae" / name / "vae")
        index = {"_class_name": pipeline, "vae": ["diffusers", type(part).__name__]}
        (folder / "models" / "vae" / name / "model_index.json").write_text(json.dumps(index))
    return Surroundings(Workspace(folder), {Pool: Pool(PLACEMENT, 2**30), ContentHashes: ContentHashes()})


@pytest.fixture(scope="module")
def sounds(around: Surroundings) -> Vae:
    return NODES["VAELoader"].run(around, vae_name="sounds")


@pytest.fixture(scope="module")
def pictures(around: Surroundings) -> Vae:
    return NODES["VAELoader"].run(around, vae_name="pictures")


def noise(*shape: int) -> Tensor:
    return some(*shape, seed=sum(shape))


def mode(module: Any, waveform: Tensor) -> Tensor:
    return module.encode(waveform).latent_dist.mode()


def encoded(around: Surroundings, vae: Vae, waveform: Tensor, rate: int = 44100) -> Latent:
    return NODES["VAEEncodeAudio"].run(around, audio=Audio(waveform, rate), vae=vae)


def decoded(around: Surroundings, vae: Vae, latent: Any) -> Audio:
    return NODES["VAEDecodeAudio"].run(around, samples=latent, vae=vae)


def test_a_sound_becomes_the_latents_that_diffusers_makes(module: Any, around: Surroundings, sounds: Vae):
    waveform = noise(2, 2, 3 * HOP + 40) / 4
    made = encoded(around, sounds, waveform)
    assert made.samples.shape == (2, 64, 3) and not made.extra and made.noise_mask is None
    assert torch.allclose(made.samples, mode(module, waveform), atol=1e-4)


def test_a_sound_of_another_rate_and_one_channel_is_brought_to_the_autoencoders(
    module: Any, around: Surroundings, sounds: Vae
):
    waveform = noise(1, 1, 2 * HOP) / 4
    want = mode(module, resampled(waveform, 22050, 44100).repeat(1, 2, 1))
    made = encoded(around, sounds, waveform, 22050)
    assert made.samples.shape == (1, 64, 4)
    assert torch.allclose(made.samples, want, atol=1e-4)


def test_latents_become_the_sound_that_diffusers_makes_and_a_loud_one_is_made_quieter(
    module: Any, around: Surroundings, sounds: Vae
):
    latents = noise(2, 64, 3) * torch.tensor([0.1, 10.0])[:, None, None]
    plain = module.decode(latents).sample
    quiet, loud = (5 * item.std() for item in plain)
    assert quiet < 1 < loud
    made = decoded(around, sounds, Latent(latents))
    assert made.sample_rate == 44100 and made.waveform.shape == (2, 2, 3 * HOP)
    assert torch.allclose(made.waveform[0], plain[0], atol=1e-4)
    assert torch.allclose(made.waveform[1], plain[1] / loud, atol=1e-4)


def test_latents_may_say_the_sample_rate(around: Surroundings, sounds: Vae):
    latents = noise(1, 64, 1)
    assert decoded(around, sounds, Latent(latents, extra={"sample_rate": 48000})).sample_rate == 48000
    with pytest.raises(NodeError, match="sample_rate of the latents is 'high'"):
        decoded(around, sounds, Latent(latents, extra={"sample_rate": "high"}))


def test_it_is_saved_with_all_its_numbers(module: Any, around: Surroundings, sounds: Vae):
    NODES["VAESave"].run(around, vae=sounds, filename_prefix="vae/sounds")
    (file,) = (around.files.root / "output" / "vae").glob("sounds*")
    saved, state = load_file(file), module.state_dict()
    assert saved.keys() == state.keys()
    assert all(torch.equal(saved[name], state[name]) for name in state)


def test_an_autoencoder_of_pictures_is_refused_for_sounds(around: Surroundings, pictures: Vae):
    for vae in (pictures, PIXEL_SPACE):
        with pytest.raises(NodeError, match="This VAE is of pictures; this node needs one of sounds"):
            encoded(around, vae, noise(1, 2, HOP))
        with pytest.raises(NodeError, match="This VAE is of pictures; this node needs one of sounds"):
            decoded(around, vae, Latent(noise(1, 64, 2)))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("VAEEncode", {"pixels": torch.zeros(1, 64, 64, 3)}),
        ("VAEEncodeTiled", {"pixels": torch.zeros(1, 64, 64, 3)}),
        ("VAEDecode", {"samples": Latent(torch.zeros(1, 64, 3))}),
        ("VAEDecodeTiled", {"samples": Latent(torch.zeros(1, 64, 3))}),
    ],
)
def test_one_of_sounds_is_refused_for_pictures(
    name: str, given: dict[str, Any], around: Surroundings, sounds: Vae
):
    with pytest.raises(NodeError, match="This VAE is of sounds; this node needs one of pictures"):
        NODES[name].run(around, vae=sounds, **given)


def test_latents_that_are_no_sounds_are_refused_by_name(around: Surroundings, sounds: Vae):
    with pytest.raises(NodeError, match=r"samples is \[1, 4, 8, 8\], as of Stable Diffusion 1 .*64 channels"):
        decoded(around, sounds, Latent(torch.zeros(1, 4, 8, 8)))
    one = Latent(torch.zeros(1, 64, 1))
    with pytest.raises(NodeError, match="a video's and a sound's together"):
        decoded(around, sounds, JoinedLatents(one, one))
    with pytest.raises(NodeError, match="samples is empty"):
        decoded(around, sounds, Latent(torch.zeros(1, 64, 0)))


def test_sounds_that_it_cannot_read_are_refused(around: Surroundings, sounds: Vae):
    with pytest.raises(NodeError, match="of 64 samples or more"):
        encoded(around, sounds, noise(1, 2, HOP - 1))
    with pytest.raises(NodeError, match="audio has 6 channels; this VAE encodes 2"):
        encoded(around, sounds, noise(1, 6, HOP))
