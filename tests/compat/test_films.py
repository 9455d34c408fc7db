"""Films cross to packs and back: in memory, and as files of which nothing is read before it is asked for."""

from fractions import Fraction
from pathlib import Path

import torch

from nodes.builtin.film_saving import write
from nodes.builtin.films import MP4
from nodes.compat.convert import inward, outward
from nodes.compat.names.comfy_api.latest import InputImpl, Types
from nodes.diffusion.media import Audio, Video, VideoFile
from nodes.diffusion.models.files import ContentHashes


def nobody(_number: int, _total: int) -> None: ...


def test_a_film_in_memory_crosses_and_comes_back():
    film = Video(torch.rand(10, 16, 16, 3), 10.0, Audio(torch.rand(1, 2, 8000), 8000))
    held = outward(film)
    assert isinstance(held, InputImpl.VideoFromComponents)
    parts = held.get_components()
    assert (parts.frame_rate, held.get_duration(), held.get_dimensions()) == (Fraction(10), 1.0, (16, 16))
    again = inward(held.as_trimmed(0.2, 0.5), "VIDEO")
    assert isinstance(again, Video)
    assert torch.equal(again.images, film.images[2:7])
    assert again.audio is not None
    assert again.audio.waveform.shape[-1] == 4000
    assert held.as_trimmed(0.8, 0.5, strict_duration=True) is None


def test_a_film_in_a_file_stays_one(tmp_path: Path):
    path = tmp_path / "a.mp4"
    write(path, Video(torch.rand(10, 16, 16, 3), 10.0), MP4, {}, nobody)
    film = VideoFile(ContentHashes().reference(path))
    held = outward(film)
    assert isinstance(held, InputImpl.VideoFromFile)
    assert (held.get_stream_source(), held.get_frame_rate(), held.get_dimensions()) == (
        str(path),
        10,
        (16, 16),
    )
    part = inward(held.as_trimmed(0.5, 0.3), "VIDEO")
    assert part == VideoFile(film.file, 0.5, 0.3)
    components = outward(part).get_components()  # type: ignore[attr-defined]
    assert isinstance(components, Types.VideoComponents)
    assert components.images.shape == (3, 16, 16, 3)
    outward(part).save_to(tmp_path / "b.mp4", metadata={"prompt": {"a": 1}})  # type: ignore[attr-defined]
    with (tmp_path / "b.mp4").open("rb") as file:
        assert InputImpl.VideoFromFile(file).get_duration() == 0.3
