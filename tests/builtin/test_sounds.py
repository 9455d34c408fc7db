"""Sound in files: it comes back, in odd rates and many channels, and carries what made it."""

import json
import math
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from nodes.builtin import codecs, sounds
from nodes.builtin.sounds import file_exists, file_token, load_audio, record_audio
from nodes.diffusion.media import Audio
from nodes.spec import Node, NodeError, Result
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

PROMPT = {"1": {"class_type": "X"}}
WORKFLOW = {"nodes": [], "text": "日本"}
SAVERS = {"flac": sounds.save_audio, "mp3": sounds.save_audio_mp3, "opus": sounds.save_audio_opus}


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def tone(rate: int, channels: int, seconds: float = 0.5) -> Audio:
    time = torch.arange(round(rate * seconds)) / rate
    waves = [torch.sin(2 * math.pi * (200 + 40 * channel) * time) / 2 for channel in range(channels)]
    return Audio(torch.stack(waves)[None], rate)


def written(ctx: Surroundings, result: object) -> list[Path]:
    assert isinstance(result, Result)
    assert result.ui is not None
    entries = result.ui["audio"]
    return [ctx.files.root / entry["type"] / entry["subfolder"] / entry["filename"] for entry in entries]  # type: ignore[union-attr, index, call-overload]


def heard_again(ctx: Surroundings, path: Path) -> Audio:
    (ctx.files.root / "input" / path.name).write_bytes(path.read_bytes())
    made = load_audio.run(ctx, audio=path.name)
    assert isinstance(made, Audio)
    return made


def strongest(audio: Audio, channel: int = 0) -> float:
    """The loudest frequency of a channel, in Hertz."""
    spectrum = torch.fft.rfft(audio.waveform[0, channel]).abs()
    return float(spectrum.argmax()) * audio.sample_rate / audio.waveform.shape[-1]


@pytest.mark.parametrize("rate", [44100, 7000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_flac_keeps_all_channels_at_any_rate(ctx: Surroundings, rate: int, channels: int):
    audio = tone(rate, channels, 0.1)
    (path,) = written(ctx, sounds.save_audio.run(ctx, audio=audio))
    assert path.relative_to(ctx.files.root).as_posix() == "output/audio/ComfyUI_00001.flac"
    made = heard_again(ctx, path)
    assert made.sample_rate == rate
    assert made.waveform.shape == audio.waveform.shape
    assert (made.waveform - audio.waveform).abs().max() <= 1 / 2**15


@pytest.mark.parametrize(
    ("kind", "rate", "channels", "becomes"),
    [
        ("mp3", 44100, 2, 44100),
        ("mp3", 7000, 1, 8000),
        ("mp3", 96000, 2, 48000),
        ("opus", 44100, 2, 48000),
        ("opus", 7000, 1, 48000),
        ("opus", 48000, 6, 48000),
        ("opus", 48000, 8, 48000),
    ],
)
def test_mp3_and_opus_take_the_nearest_rate_that_they_know(
    ctx: Surroundings, kind: str, rate: int, channels: int, becomes: int
):
    (path,) = written(ctx, SAVERS[kind].run(ctx, audio=tone(rate, channels)))
    made = heard_again(ctx, path)
    assert made.sample_rate == becomes
    assert made.waveform.shape[:2] == (1, channels)
    assert made.waveform.shape[-1] == pytest.approx(becomes / 2, abs=1200)
    assert strongest(made, channels - 1) == pytest.approx(200 + 40 * (channels - 1), abs=6)


def test_more_channels_than_mp3_has_are_mixed_and_that_is_said(ctx: Surroundings):
    (path,) = written(ctx, sounds.save_audio_mp3.run(ctx, audio=tone(48000, 6), quality="320k"))
    assert heard_again(ctx, path).waveform.shape[1] == 2
    assert ctx.said == ["MP3 has no more than 2 channels: the 6 were mixed."]


@pytest.mark.parametrize("kind", SAVERS)
def test_a_saved_sound_carries_what_made_it(ctx: Surroundings, kind: str):
    node = SAVERS[kind]
    result = node.run(ctx, audio=tone(16000, 1), prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW})
    (path,) = written(ctx, result)
    with av.open(str(path)) as opened:
        tags = {**opened.metadata, **opened.streams[0].metadata}
    assert json.loads(tags["prompt"]) == PROMPT
    assert json.loads(tags["workflow"]) == WORKFLOW


def test_each_sound_of_a_batch_is_a_file_and_numbers_go_on(ctx: Surroundings):
    two = Audio(tone(8000, 1).waveform.repeat(2, 1, 1), 8000)
    names = [path.name for path in written(ctx, sounds.save_audio.run(ctx, audio=two, filename_prefix="a"))]
    names += [
        path.name for path in written(ctx, sounds.save_audio_opus.run(ctx, audio=two, filename_prefix="a"))
    ]
    assert names == ["a_00001.flac", "a_00002.flac", "a_00003.opus", "a_00004.opus"]


def test_a_preview_lies_in_the_temporary_folder(ctx: Surroundings):
    (path,) = written(ctx, sounds.preview_audio.run(ctx, audio=tone(8000, 1)))
    assert path.parent == ctx.files.root / "temp"
    assert path.name.startswith("ComfyUI_temp_")
    assert path.name.endswith("_00001.flac")


@pytest.mark.parametrize(("width", "least"), [(1, -1.0), (2, -1.0), (4, -1.0)])
def test_waves_of_whole_numbers_are_read_as_they_are(ctx: Surroundings, width: int, least: float):
    kind = {1: np.uint8, 2: np.int16, 4: np.int32}[width]
    values = np.array([[np.iinfo(kind).min, 0, np.iinfo(kind).max]] * 2, kind)
    path = ctx.files.root / "input" / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(11025)
        file.writeframes(values.T.copy().tobytes())
    made = record_audio.run(ctx, audio="a.wav")
    assert isinstance(made, Audio)
    assert (made.sample_rate, made.waveform.shape, made.waveform.dtype) == (11025, (1, 2, 3), torch.float32)
    assert made.waveform[0, 1, 0] == least
    assert made.waveform[0, 0, 2] == pytest.approx(1.0, abs=0.01)


def test_a_sound_that_was_cut_off_is_read_as_far_as_it_goes_and_that_is_said(ctx: Surroundings):
    (path,) = written(ctx, sounds.save_audio.run(ctx, audio=tone(8000, 1, 4.0)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    made = heard_again(ctx, path)
    assert 0 < made.waveform.shape[-1] < 3 * 8000
    assert "is damaged" in ctx.said[0]


@pytest.mark.parametrize("data", [b"", b"no sound at all", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.mp3\n"])
def test_a_file_that_is_no_sound_is_refused_by_name(ctx: Surroundings, data: bytes):
    (ctx.files.root / "input" / "x.mp3").write_bytes(data)
    with pytest.raises(NodeError, match=r"x\.mp3"):
        load_audio.run(ctx, audio="x.mp3")


@pytest.mark.parametrize("node", SAVERS.values())
def test_nothing_to_save_is_said(ctx: Surroundings, node: Node):
    with pytest.raises(NodeError, match="no sound to save"):
        node.run(ctx, audio=None)
    with pytest.raises(NodeError, match="is empty"):
        node.run(ctx, audio=Audio(torch.zeros(1, 2, 0), 44100))
    with pytest.raises(NodeError, match="has 9 channels"):
        node.run(ctx, audio=Audio(torch.zeros(1, 9, 80), 44100))
    assert list((ctx.files.root / "output").rglob("*.*")) == []


def test_an_encoder_that_is_not_there_is_named():
    with pytest.raises(NodeError, match=r"no encoder for H\.264 \(none of nobody, noone\)") as caught:
        codecs.encoder("H.264", ("nobody", "noone"), "choose VP9")
    assert "pip install" in caught.value.hint
    assert codecs.encoder("FLAC", ("nobody", "flac"), "") == "flac"


def test_a_file_is_read_anew_when_its_content_changed(ctx: Surroundings):
    path = ctx.files.root / "input" / "a.wav"
    path.write_bytes(b"one")
    first = file_token(ctx, audio="a.wav")
    path.write_bytes(b"two")
    assert file_token(ctx, audio="a.wav") != first
    assert file_exists(ctx, audio="gone.wav") == "Invalid audio file: gone.wav"
    assert file_exists(ctx, audio="a.wav [input]") is True


def test_lists_offer_sounds_and_films(ctx: Surroundings):
    for name in ("a.wav", "b.MP3", "c.mp4", "d.png", "e.webm", "f.txt"):
        (ctx.files.root / "input" / name).touch()
    assert list(ctx.files.choices("input_audio")) == ["a.wav", "b.MP3", "c.mp4", "e.webm"]
    assert list(ctx.files.choices("input_video")) == ["c.mp4", "e.webm"]
