"""A server that starts again goes on with what the last one had finished."""

from pathlib import Path

from PIL import Image

from tests.serving import serving
from tests.whole.test_pictures import cached, made, txt2img


def pixels(path: Path) -> bytes:
    with Image.open(path) as opened:
        return opened.tobytes()


def test_another_life_gives_the_same_picture_and_samples_no_second_time(tmp_path: Path):
    prompt = txt2img(n5_steps=20, n5_seed=5)
    with serving(tmp_path) as server:
        first = made(server.run(prompt), tmp_path)
    with serving(tmp_path) as server:
        again = server.run(prompt)
        assert "7" in cached(again), "its file is still there"
        assert made(again, tmp_path) == first
        other = server.run(txt2img(n5_steps=20, n5_seed=5, n7_filename_prefix="other"))
        assert "5" in cached(other)
        second = made(other, tmp_path)
        assert second != first
        assert pixels(second) == pixels(first)
        first.unlink()
        assert pixels(made(server.run(prompt), tmp_path)) == pixels(second), "a file that went is made again"
