"""Videos in files: a recipe on the wire, pictures and sound that come back, parts of files, what made them."""

import json
import math
from fractions import Fraction
from pathlib import Path

import av
import pytest
import torch

from nodes.builtin import films
from nodes.builtin.film_files import about
from nodes.builtin.storage import ResultCodec
from nodes.builtin.video import create_video, get_video_components
from nodes.diffusion.media import Audio, Film, Video, VideoFile
from nodes.diffusion.models.files import ContentHashes
from nodes.spec import NodeError, Result, Stopped
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

PROMPT = {"1": {"class_type": "X"}}
WORKFLOW = {"nodes": [], "text": "日本"}
MADE = {"prompt": PROMPT, "extra_pnginfo": {"workflow": WORKFLOW}}


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path), {ContentHashes: ContentHashes()})


def brighter(frames: int = 12, height: int = 32, width: int = 48) -> torch.Tensor:
    """Pictures of one colour each, from dark to bright."""
    levels = torch.linspace(0.1, 0.9, frames)[:, None, None, None]
    return levels.expand(frames, height, width, 3) * torch.tensor([1.0, 0.8, 0.6])


def late_tone(seconds: float, rate: int = 44100, channels: int = 2) -> Audio:
    """Silence for a quarter of its time, then a tone."""
    time = torch.arange(round(rate * seconds)) / rate
    wave = torch.where(time < seconds / 4, 0.0, torch.sin(2 * math.pi * 300 * time) / 2)
    return Audio(wave.expand(1, channels, -1), rate)


def written(ctx: Surroundings, result: object) -> Path:
    assert isinstance(result, Result)
    assert result.ui is not None
    assert result.ui["animated"] == [True]
    (entry,) = result.ui["images"]
    return ctx.files.root / entry["type"] / entry["subfolder"] / entry["filename"]  # type: ignore[index, call-overload, operator, return-value]


def loaded(ctx: Surroundings, path: Path) -> VideoFile:
    (ctx.files.root / "input" / path.name).write_bytes(path.read_bytes())
    made = films.load_video.run(ctx, file=path.name)
    assert isinstance(made, VideoFile)
    return made


def parts(ctx: Surroundings, film: Film) -> tuple[torch.Tensor, Audio | None, float]:
    return get_video_components.run(ctx, video=film)  # type: ignore[return-value]


def tags(path: Path) -> dict[str, str]:
    with av.open(str(path)) as opened:
        return {name.lower(): text for name, text in opened.metadata.items()}


def film(ctx: Surroundings, fps: float = 12.0, sound: Audio | None = None) -> VideoFile:
    return loaded(ctx, written(ctx, films.save_video.run(ctx, video=Video(brighter(), fps, sound), **MADE)))


def test_a_video_comes_back_with_its_rate_and_its_sound_in_time(ctx: Surroundings):
    video = create_video.run(ctx, images=brighter(), fps=12.0, audio=late_tone(3.0))
    path = written(ctx, films.save_video.run(ctx, video=video))
    assert path.relative_to(ctx.files.root).as_posix() == "output/video/ComfyUI_00001_.mp4"
    images, audio, fps = parts(ctx, loaded(ctx, path))
    assert fps == 12.0
    assert (images - brighter()).abs().max() < 0.03
    assert audio is not None
    assert audio.waveform.shape == (1, 2, 44100)  # cut to the second that the pictures take
    onset = int((audio.waveform[0, 0].abs() > 0.1).nonzero()[0])
    assert onset / 44100 == pytest.approx(0.75, abs=0.01)


def test_a_video_carries_what_made_it(ctx: Surroundings):
    for path in (
        written(ctx, films.save_video.run(ctx, video=Video(brighter(2), 5.0), **MADE)),
        written(ctx, films.save_webm.run(ctx, images=brighter(2), codec="vp9", **MADE)),
    ):
        assert json.loads(tags(path)["prompt"]) == PROMPT
        assert json.loads(tags(path)["workflow"]) == WORKFLOW


def test_a_file_that_fits_goes_over_as_it_is_and_tells_what_made_it_now(ctx: Surroundings):
    first = film(ctx, sound=late_tone(1.0))
    again = {"prompt": {"2": {"class_type": "Y"}}}
    path = written(ctx, films.save_video.run(ctx, video=first, **again))
    with av.open(str(first.file.path)) as old, av.open(str(path)) as new:
        for one, other in zip(old.streams, new.streams, strict=True):
            before = [bytes(packet) for packet in old.demux(one) if packet.dts is not None]
            old.seek(0)
            assert before == [bytes(packet) for packet in new.demux(other) if packet.dts is not None]
            new.seek(0)
    assert json.loads(tags(path)["prompt"]) == again["prompt"]
    assert "workflow" not in tags(path)


def test_a_part_of_a_file_is_its_frames_and_its_sound(ctx: Surroundings):
    whole = film(ctx, sound=late_tone(1.0))
    part = VideoFile(whole.file, 0.25, 0.5)
    images, audio, _ = parts(ctx, part)
    assert (images - brighter()[3:9]).abs().max() < 0.03
    assert audio is not None
    assert audio.waveform.shape[-1] == 22050
    assert audio.waveform[0, 0, :500].abs().max() > 0.3  # the silence is cut off
    saved = loaded(ctx, written(ctx, films.save_video.run(ctx, video=part)))
    again, sound, fps = parts(ctx, saved)
    assert (again - brighter()[3:9]).abs().max() < 0.04
    assert fps == 12.0
    assert sound is not None
    assert sound.waveform.shape[-1] == 22050
    with pytest.raises(NodeError, match="no frame from 9 seconds on"):
        parts(ctx, VideoFile(whole.file, 9.0))


def test_a_loaded_video_is_its_name_and_nothing_of_it_is_read_before_it_is_needed(ctx: Surroundings):
    whole = film(ctx)
    codec = ResultCodec()
    packed = codec.pack(whole)
    assert packed.parts == ()
    assert codec.unpack(packed) == whole

    class Impatient(Surroundings):
        def progress(self, value: int, total: int, preview: object = None) -> None:
            super().progress(value, total)
            if value == 3:
                raise Stopped

    impatient = Impatient(ctx.files)
    with pytest.raises(Stopped):
        parts(impatient, whole)
    with pytest.raises(Stopped):
        films.save_video.run(impatient, video=VideoFile(whole.file, 0.0, 0.9))
    assert impatient.steps == [(1, 12), (2, 12), (3, 12), (1, 11), (2, 11), (3, 11)]
    assert not [path for path in (ctx.files.root / "output").rglob("*") if "00002" in path.name]


@pytest.mark.parametrize(("codec", "pixels"), [("vp9", "yuv420p"), ("av1", "yuv420p10le")])
@pytest.mark.parametrize("fps", [24.0, 23.976])
def test_a_webm_holds_the_pictures(ctx: Surroundings, codec: str, pixels: str, fps: float):
    path = written(ctx, films.save_webm.run(ctx, images=brighter(3), codec=codec, fps=fps, crf=10.0))
    assert path.relative_to(ctx.files.root).as_posix() == "output/ComfyUI_00001_.webm"
    with av.open(str(path)) as opened:
        stream = opened.streams.video[0]
        assert stream.codec_context.pix_fmt == pixels
        assert stream.average_rate == pytest.approx(Fraction(round(fps * 1000), 1000), abs=0.01)
    images, audio, _ = parts(ctx, loaded(ctx, path))
    assert (images - brighter(3)).abs().max() < 0.03
    assert audio is None


def test_a_film_of_another_kind_becomes_mp4(ctx: Surroundings):
    webm = loaded(ctx, written(ctx, films.save_webm.run(ctx, images=brighter(3), codec="vp9")))
    path = written(ctx, films.save_video.run(ctx, video=webm))
    assert about(path).codec == "h264"
    assert (parts(ctx, loaded(ctx, path))[0] - brighter(3)).abs().max() < 0.05


def test_odd_sides_are_cut_where_they_must_be_and_that_is_said(ctx: Surroundings):
    odd = brighter(2, 33, 35)
    path = written(ctx, films.save_video.run(ctx, video=Video(odd, 5.0)))
    assert (about(path).width, about(path).height) == (34, 32)
    assert ctx.said == ["H.264 has even sides: the pictures were cut to 34 by 32."]
    path = written(ctx, films.save_webm.run(ctx, images=odd, codec="vp9"))
    assert (about(path).width, about(path).height) == (35, 33)
    with pytest.raises(NodeError, match="too small"):
        films.save_video.run(ctx, video=Video(torch.rand(1, 1, 1, 3), 5.0))


def test_a_phones_film_is_shown_upright(ctx: Surroundings):
    whole = film(ctx)
    path = whole.file.path
    upright, turned = (
        [1, 0, 0, 0, 1, 0],
        [0, 1, 0, -1, 0, 0],
    )  # of the header's matrix, in units of 1 / 65536
    matrix = [
        b"".join((value * 65536).to_bytes(4, "big", signed=True) for value in rows)
        for rows in (upright, turned)
    ]
    data = path.read_bytes()
    at = data.index(matrix[0], data.index(b"tkhd"))
    path.write_bytes(data[:at] + matrix[1] + data[at + 24 :])
    assert (about(path).width, about(path).height) == (32, 48)
    assert parts(ctx, whole)[0].shape == (12, 48, 32, 3)
    saved = written(ctx, films.save_video.run(ctx, video=whole))  # as it is: what turns it goes with it
    assert (about(saved).width, about(saved).height) == (32, 48)


def test_what_is_no_video_is_refused(ctx: Surroundings):
    whole = film(ctx, sound=late_tone(1.0))
    folder = ctx.files.root / "input"
    (folder / "x.mp4").write_bytes(b"nothing")
    (folder / "cut.mp4").write_bytes(whole.file.path.read_bytes()[:300])
    for name in ("x.mp4", "cut.mp4"):
        with pytest.raises(NodeError, match=name):
            films.load_video.run(ctx, file=name)
    with pytest.raises(NodeError, match="no frames"):
        films.save_video.run(ctx, video=Video(torch.rand(0, 8, 8, 3), 5.0))
    assert films.file_exists(ctx, file="gone.mp4") == "Invalid video file: gone.mp4"


def test_the_same_content_under_another_time_is_the_same(ctx: Surroundings):
    whole = film(ctx)
    name = whole.file.path.name
    token = films.file_token(ctx, file=name)
    data = whole.file.path.read_bytes()
    whole.file.path.write_bytes(data)
    assert films.file_token(ctx, file=name) == token
    whole.file.path.write_bytes(data + b"x")
    assert films.file_token(ctx, file=name) != token
