"""How far pictures are from each other: known answers."""

import math
from pathlib import Path

import pytest
from PIL import Image

from server.verify.distance import distance


def picture(path: Path, *values: int, mode: str = "RGB") -> Path:
    made = Image.new(mode, (4, 1))
    for x, value in enumerate(values):
        made.putpixel((x, 0), (value,) * len(made.getbands()))
    made.save(path)
    return path


def test_equal_pictures_are_at_no_distance_however_they_are_packed(tmp_path: Path):
    one = picture(tmp_path / "a.png", 9, 8, 7, 6)
    with Image.open(one) as opened:
        opened.convert("L").save(tmp_path / "b.png")
    apart = distance(one, tmp_path / "b.png")
    assert apart is not None and apart.is_zero
    assert (apart.largest, apart.mean, apart.psnr, apart.share) == (0, 0.0, math.inf, 0.0)


def test_the_distance_is_what_arithmetic_says(tmp_path: Path):
    apart = distance(picture(tmp_path / "a.png", 0, 0, 0, 0), picture(tmp_path / "b.png", 0, 0, 2, 4))
    assert apart is not None
    assert (apart.largest, apart.mean, apart.share) == (4, 1.5, 0.5)
    assert apart.psnr == pytest.approx(10 * math.log10(255**2 / 5))


def test_alpha_counts_where_there_is_some_and_sizes_must_agree(tmp_path: Path):
    clear = Image.new("RGBA", (4, 1), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    black = picture(tmp_path / "black.png", 0, 0, 0, 0)
    apart = distance(black, tmp_path / "clear.png")
    assert apart is not None and apart.largest == 255
    Image.new("RGB", (5, 1)).save(tmp_path / "wide.png")
    assert distance(black, tmp_path / "wide.png") is None
