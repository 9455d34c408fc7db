"""Networks that hear: wav2vec 2.0 and Whisper's encoder from a single file, and how sounds are made ready for them.

Sources: Baevski et al. 2020 (wav2vec 2.0, arXiv:2006.11477); Radford et al. 2022 (Whisper, arXiv:2212.04356).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nodes.diffusion.audio import resampled
from nodes.diffusion.errors import CheckpointUnknown, CheckpointUnreadable, DiffusionError
from nodes.diffusion.hearing_values import AudioEncoderOutput
from nodes.diffusion.media import Audio
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import AGAIN, Shape, WeightFile, open_weights
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.text_files import count

RATE = 16000  # samples a second that both hear
HEAD_WIDTH = 64
LEAST = 400  # samples that wav2vec's first layers need for one step
WINDOW = 30 * RATE  # samples that Whisper hears at a time
FLAT = 1e-7  # added to the variance of a sound
WAV2VEC, WAV2VEC_PREFIX = "encoder.layer_norm.bias", "wav2vec2."
WHISPER, WHISPER_PREFIX = "encoder.embed_positions.weight", "model."
EXTRACTOR = "feature_extractor.conv_layers."
NORMED = EXTRACTOR + "1.layer_norm.weight"  # of the large ones, trained on sounds of mean 0 and variance 1
STRIDES = (5, 2, 2, 2, 2, 2, 2)
# Weights in two factors, by the names that torch had for them, and has.
FACTORS = {
    "conv.weight_g": "conv.parametrizations.weight.original0",
    "conv.weight_v": "conv.parametrizations.weight.original1",
}


@dataclass(frozen=True, slots=True, eq=False)
class LoadedHearing:
    """A network that hears, at work.

    Attributes:
        module: a `Wav2Vec2Model` or a `WhisperEncoder` of transformers.
        normed: whether sounds are brought to mean 0 and variance 1 first.
        bands: of frequencies that Whisper reads; 0 for wav2vec.
    """

    module: nn.Module
    normed: bool
    bands: int
    device: torch.device
    dtype: torch.dtype

    @torch.no_grad()
    def read(self, audio: Audio) -> AudioEncoderOutput:
        """What the network makes of sounds; their channels are mixed. Whisper hears 30 seconds at a time.

        Raises:
            DiffusionError: the sound is too short to be heard.
        """
        wave = resampled(audio.waveform.float(), audio.sample_rate, RATE)
        heard = wave.mean(1)
        if heard.shape[-1] < LEAST:
            raise DiffusionError(
                f"The sound has {heard.shape[-1]} samples at {RATE} a second; {LEAST} are the least that can be heard.",
                "Use a longer sound.",
            )
        if self.bands:
            layers = self._windows(heard)
        else:
            if self.normed:
                heard = (heard - heard.mean()) / torch.sqrt(heard.var(correction=0) + FLAT)
            layers = self._states(heard)
        return AudioEncoderOutput(layers[-1], layers, wave.shape[-1])

    def _states(self, given: Tensor) -> tuple[Tensor, ...]:
        """Of every layer, what the first is given among them; the last has the final norm."""
        made = cast("Any", self.module)(given.to(self.device, self.dtype), output_hidden_states=True)
        states = [*made.hidden_states[:-1], made.last_hidden_state]
        return tuple(cast("Tensor", state).float().cpu() for state in states)

    def _windows(self, heard: Tensor) -> tuple[Tensor, ...]:
        from transformers import WhisperFeatureExtractor

        front = cast("Any", WhisperFeatureExtractor)(feature_size=self.bands, sampling_rate=RATE)
        parts: list[tuple[Tensor, ...]] = []
        for start in range(0, heard.shape[-1], WINDOW):
            window = heard[:, start : start + WINDOW]
            made = front(list(window.cpu().numpy()), sampling_rate=RATE, return_tensors="pt")
            parts.append(self._states(made.input_features))
        return tuple(torch.cat(layer, 1) for layer in zip(*parts, strict=True))


def find_hearing(path: Path) -> tuple[WeightFile, str, bool]:
    """The network of a file: its weights, what stands before the names of its tensors, and whether it is Whisper's.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, or damaged.
        CheckpointUnknown: it holds none that Weft knows.
    """
    weights = open_weights(path)
    for prefix in (WHISPER_PREFIX, ""):
        if prefix + WHISPER in weights.shapes:
            return weights, prefix + "encoder.", True
    for prefix in (WAV2VEC_PREFIX, ""):
        if prefix + WAV2VEC in weights.shapes and prefix + EXTRACTOR + "0.conv.weight" in weights.shapes:
            return weights, prefix, False
    names = ", ".join(sorted(weights.shapes)[:2])
    raise CheckpointUnknown(path, "an audio encoder", f"none of its tensors ({names}, ...) belongs to one")


def load_hearing(path: Path, placement: Placement) -> LoadedHearing:
    """The network of a file. Errors as `find_hearing`; CheckpointUnreadable where tensors are missing or odd."""
    weights, prefix, whisper = find_hearing(path)
    shapes = weights.under(prefix)
    try:
        module = unfilled(lambda: _whisper(shapes) if whisper else _wav2vec(shapes), path)
    except (KeyError, IndexError) as error:
        raise CheckpointUnreadable(path, f"its audio encoder lacks {error}", AGAIN) from error
    names = [(prefix + name, _named(name)) for name in shapes]
    device, dtype = placement.device, placement.text_dtype
    fill(module, weights, names, device, dtype)
    bands = shapes["conv1.weight"][1] if whisper else 0
    return LoadedHearing(module, NORMED in shapes, bands, device, dtype)


def _named(name: str) -> str:
    for old, new in FACTORS.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def _whisper(shapes: Mapping[str, Shape]) -> nn.Module:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    width, bands, _ = shapes["conv1.weight"]
    config = cast("Any", WhisperConfig)(
        d_model=width,
        num_mel_bins=bands,
        encoder_layers=count(shapes, "layers."),
        encoder_attention_heads=max(1, width // HEAD_WIDTH),
        encoder_ffn_dim=shapes["layers.0.fc1.weight"][0],
        max_source_positions=shapes["embed_positions.weight"][0],
    )
    return cast("nn.Module", WhisperEncoder(config))


def _wav2vec(shapes: Mapping[str, Shape]) -> nn.Module:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    convolutions = [shapes[f"{EXTRACTOR}{number}.conv.weight"] for number in range(count(shapes, EXTRACTOR))]
    width, large = shapes[WAV2VEC][0], NORMED in shapes
    position = "encoder.pos_conv_embed.conv."
    inner = next(
        shapes[position + name.removeprefix("conv.")]
        for pair in FACTORS.items()
        for name in pair
        if name.endswith(("_v", "original1")) and position + name.removeprefix("conv.") in shapes
    )
    config = cast("Any", Wav2Vec2Config)(
        hidden_size=width,
        num_hidden_layers=count(shapes, "encoder.layers."),
        num_attention_heads=max(1, width // HEAD_WIDTH),
        intermediate_size=shapes["encoder.layers.0.feed_forward.intermediate_dense.weight"][0],
        conv_dim=[shape[0] for shape in convolutions],
        conv_kernel=[shape[2] for shape in convolutions],
        conv_stride=STRIDES[: len(convolutions)],
        conv_bias=f"{EXTRACTOR}0.conv.bias" in shapes,
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
        num_conv_pos_embeddings=inner[2],
        num_conv_pos_embedding_groups=width // inner[1],
        mask_time_prob=0.0,
        mask_feature_prob=0.0,
    )
    return cast("nn.Module", Wav2Vec2Model(config))
