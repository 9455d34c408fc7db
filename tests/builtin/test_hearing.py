"""Audio encoders: from a file in a workspace to what transformers' own classes hear in a sound."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperFeatureExtractor,
)
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from nodes.builtin import all_nodes
from nodes.builtin.storage import ResultCodec
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.hearing_values import AudioEncoderOutput
from nodes.diffusion.media import Audio
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.tiny import seeded

NODES = {entry.spec.id: entry for entry in all_nodes()}
RATE = 16000
SOUND = Audio(torch.rand(1, 2, RATE // 2, generator=torch.Generator().manual_seed(3)) - 0.4, RATE)
OLD = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}


def wav2vec(*, large: bool) -> nn.Module:
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 48}
    more = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
    kind = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True} if large else {}
    return seeded(Wav2Vec2Model(Wav2Vec2Config(**sizes, **more, **kind)), 5)


def whisper() -> nn.Module:
    sizes = {"d_model": 64, "encoder_layers": 2, "encoder_attention_heads": 1, "encoder_ffn_dim": 48}
    return seeded(WhisperEncoder(WhisperConfig(**sizes, num_mel_bins=128)), 6)


def around(folder: Path, module: nn.Module, named: Callable[[str], str]) -> Surroundings:
    (folder / "models" / "audio_encoders").mkdir(parents=True, exist_ok=True)
    state = {named(name): tensor.contiguous() for name, tensor in module.state_dict().items()}
    save_file(state, folder / "models" / "audio_encoders" / "ear.safetensors")
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    return Surroundings(Workspace(folder), {Pool: Pool(placement, 2**30), ContentHashes: ContentHashes()})


def heard(ctx: Surroundings, sound: Audio) -> AudioEncoderOutput:
    ear = NODES["AudioEncoderLoader"].run(ctx, audio_encoder_name="ear.safetensors")
    return NODES["AudioEncoderEncode"].run(ctx, audio_encoder=ear, audio=sound)


def old(name: str) -> str:
    """As files from before torch had parametrizations have it."""
    for new, theirs in OLD.items():
        name = name.replace(new, theirs)
    return "wav2vec2." + name


def alike(made: AudioEncoderOutput, wanted: tuple[Tensor, ...]) -> None:
    assert len(made.encoded_audio_all_layers) == len(wanted)
    for ours, theirs in zip(made.encoded_audio_all_layers, wanted, strict=True):
        assert ours.shape == theirs.shape
        assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-4
    assert torch.equal(made.encoded_audio, made.encoded_audio_all_layers[-1])


@pytest.mark.parametrize("named", [old, lambda name: name], ids=["old names", "new names"])
@pytest.mark.parametrize("large", [False, True], ids=["base", "large"])
def test_wav2vec_hears_what_its_own_class_hears(large: bool, named: Callable[[str], str], tmp_path: Path):
    module = wav2vec(large=large)
    made = heard(around(tmp_path, module, named), SOUND)
    front = Wav2Vec2FeatureExtractor(do_normalize=large)
    given = front(SOUND.waveform.mean(1)[0].numpy(), sampling_rate=RATE, return_tensors="pt").input_values
    with torch.no_grad():
        theirs = module(given, output_hidden_states=True)
    alike(made, (*theirs.hidden_states[:-1], theirs.last_hidden_state))  # with the last norm, as in training
    assert made.audio_samples == made["audio_samples"] == RATE // 2


@pytest.mark.parametrize("prefix", ["model.encoder.", "encoder."])
def test_whisper_hears_what_its_own_class_hears_half_a_minute_at_a_time(prefix: str, tmp_path: Path):
    module = whisper()
    slow = Audio(SOUND.waveform.repeat(1, 1, 62 if prefix == "encoder." else 1), RATE)
    made = heard(around(tmp_path, module, lambda name: prefix + name), slow)
    front: Any = WhisperFeatureExtractor(feature_size=128)
    parts: list[tuple[Tensor, ...]] = []
    for wave in slow.waveform.mean(1)[0].split(30 * RATE):
        given = front(wave.numpy(), sampling_rate=RATE, return_tensors="pt").input_features
        with torch.no_grad():
            theirs = module(given, output_hidden_states=True)
        parts.append((*theirs.hidden_states[:-1], theirs.last_hidden_state))
    alike(made, tuple(torch.cat(layer, 1) for layer in zip(*parts, strict=True)))


def test_what_was_heard_is_kept_on_disk(tmp_path: Path):
    ctx = around(tmp_path, whisper(), lambda name: "model.encoder." + name)
    made = heard(ctx, SOUND)
    again = ResultCodec().unpack(ResultCodec().pack(made))
    assert isinstance(again, AudioEncoderOutput) and again.audio_samples == made.audio_samples
    assert torch.equal(again.encoded_audio, made.encoded_audio)


def test_files_and_sounds_that_cannot_be_heard_are_said(tmp_path: Path):
    ctx = around(tmp_path, nn.Linear(2, 2), lambda name: name)
    with pytest.raises(NodeError, match="none of its tensors"):
        heard(ctx, SOUND)
    ctx = around(tmp_path / "other", wav2vec(large=False), old)
    with pytest.raises((NodeError, DiffusionError), match="400 are the least"):
        heard(ctx, Audio(torch.zeros(1, 1, 100), RATE))
