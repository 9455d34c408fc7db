"""Films tell what they are; painted layers are found by one of them."""

import shutil
from pathlib import Path

import pytest

from server.api.films import FilmUnreadable, read_film
from tests.server.api.asking import get

FILMS = Path(__file__).resolve().parents[2] / "data" / "films"  # of half a second, 48 by 32 pixels


@pytest.mark.parametrize(
    ("name", "frames", "sound", "kind"),
    [("sound.mp4", 12, True, "video/mp4"), ("mute.webm", None, False, "video/webm")],
)
async def test_a_film_tells_its_size_and_length(http, workspace, name, frames, sound, kind):
    shutil.copy(FILMS / name, workspace / "output" / name)
    told = await get(http, f"/api/video_metadata?filename={name}&type=output")
    assert (told["width"], told["height"], told["fps"], told["frame_count"]) == (48, 32, 24, frames)
    assert told["duration"] == pytest.approx(0.5, abs=0.03)
    assert (told["has_audio"], told["format"]) == (sound, kind)


@pytest.mark.parametrize("content", [b"", b"\0\0\0\x18ftypisom", b"\x1a\x45\xdf\xa3", b"\x89PNG\r\n"])
async def test_what_is_no_film_is_refused(http, workspace, content):
    (workspace / "output" / "no film.mp4").write_bytes(content)
    async with http.get("/video_metadata?filename=no film.mp4") as answer:
        assert answer.status == 400
    async with http.get("/video_metadata?filename=gone.mp4") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("name", ["sound.mp4", "mute.webm"])
def test_a_damaged_film_never_breaks_the_reader(tmp_path, name):
    whole = (FILMS / name).read_bytes()
    for at in range(0, len(whole), 3):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            path = tmp_path / "film"
            path.write_bytes(damaged)
            try:
                film = read_film(path)
            except FilmUnreadable:
                continue
            assert film.width is None or film.width >= 0


async def test_layers_that_were_painted_together_are_found_by_one_of_them(http, workspace):
    folder = workspace / "input" / "clipspace"
    folder.mkdir(exist_ok=True)
    for name in ("mask-17", "painted-17", "painted-masked-17", "mask-18"):
        (folder / f"clipspace-{name}.png").write_bytes(b"x")
    told = await get(http, "/api/files/mask-layers?filename=clipspace-painted-masked-17.png [input]")
    assert told == {
        "mask": "clipspace-mask-17.png",
        "painted": "clipspace-painted-17.png",
        "painted_masked": "clipspace-painted-masked-17.png",
    }
    for name in ("clipspace-mask-19.png", "photo.png", "../../clipspace-mask-17.png"):
        async with http.get(f"/api/files/mask-layers?filename={name}") as answer:
            assert answer.status in (400, 404)
