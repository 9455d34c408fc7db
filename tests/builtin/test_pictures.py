"""Pictures in files: what is read, what is written, and what is said of files that are none."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from nodes.builtin import picture_files
from nodes.builtin.image import (
    file_exists,
    load_image,
    load_image_mask,
    load_image_output,
    mask_preview,
    output_exists,
    preview_image,
    save_image,
)
from nodes.spec import Context, NodeError, Result
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def put(ctx: Surroundings, name: str, picture: Pillow.Image, **options: object) -> Path:
    path = ctx.files.root / "input" / name
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def test_a_saved_picture_carries_what_made_it_and_loads_as_it_was(ctx: Surroundings):
    picture = torch.rand(1, 6, 5, 3)
    workflow = {"nodes": [], "text": "日本 \x7f"}
    result = save_image.run(
        ctx,
        images=picture,
        filename_prefix="sub/cat_%width%",
        prompt={"1": {}},
        extra_pnginfo={"workflow": workflow},
    )
    assert isinstance(result, Result) and result.ui is not None
    shown = result.ui["images"][0]
    assert shown == {"filename": "cat_5_00001_.png", "subfolder": "sub", "type": "output"}
    path = ctx.files.root / "output" / "sub" / "cat_5_00001_.png"
    with Pillow.open(path) as opened:
        assert json.loads(opened.text["prompt"]) == {"1": {}}  # type: ignore[attr-defined]
        assert json.loads(opened.text["workflow"]) == workflow  # type: ignore[attr-defined]
    pixels = picture_files.read(path)[0]
    assert torch.equal(pixels, torch.floor(picture * 255) / 255)


def test_each_picture_of_a_batch_gets_a_name_of_its_own(ctx: Surroundings):
    result = save_image.run(ctx, images=torch.rand(3, 4, 4, 3), filename_prefix="x")
    assert isinstance(result, Result) and result.ui is not None
    assert [shown["filename"] for shown in result.ui["images"]] == [  # type: ignore[index, call-overload]
        "x_00001_.png", "x_00002_.png", "x_00003_.png",
    ]  # fmt: skip


def test_a_preview_goes_to_the_temporary_folder(ctx: Surroundings):
    result = preview_image.run(ctx, images=torch.rand(1, 4, 4, 3))
    assert isinstance(result, Result) and result.ui is not None
    assert result.ui["images"][0]["type"] == "temp"  # type: ignore[index, call-overload]


def test_transparency_becomes_the_mask(ctx: Surroundings):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255
    put(ctx, "a.png", Pillow.fromarray(pixels))
    picture, mask = load_image.run(ctx, image="a.png")  # type: ignore[misc]
    assert picture.shape == (1, 4, 4, 3)
    assert mask.tolist() == [[[0.0] * 4] * 2 + [[1.0] * 4] * 2]
    assert torch.equal(load_image_mask.run(ctx, image="a.png", channel="alpha"), mask)  # type: ignore[arg-type]


def test_an_opaque_picture_has_the_empty_mask(ctx: Surroundings):
    put(ctx, "a.jpg", Pillow.new("RGB", (8, 4), "red"))
    picture, mask = load_image.run(ctx, image="a.jpg")  # type: ignore[misc]
    assert picture.shape == (1, 4, 8, 3) and mask.shape == (1, 64, 64) and not mask.any()


def test_a_turned_photo_is_turned_back(ctx: Surroundings):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    put(ctx, "a.jpg", Pillow.new("RGB", (8, 4)), exif=exif)
    assert load_image.run(ctx, image="a.jpg")[0].shape == (1, 8, 4, 3)  # type: ignore[index]


def test_all_frames_of_a_moving_picture_are_loaded(ctx: Surroundings):
    frames = [Pillow.new("RGB", (4, 4), color) for color in ("red", "green", "blue")]
    put(ctx, "a.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    assert load_image.run(ctx, image="a.webp")[0].shape == (3, 4, 4, 3)  # type: ignore[index]


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"not a picture at all", b"\x89PNG\r\n\x1a\n" + b"\0" * 40]
)
def test_a_file_that_is_no_picture_is_named(ctx: Surroundings, content: bytes):
    (ctx.files.root / "input" / "odd.png").write_bytes(content)
    with pytest.raises(NodeError, match=r"odd\.png"):
        load_image.run(ctx, image="odd.png")


def test_a_cut_off_picture_is_told_damaged(ctx: Surroundings):
    path = put(
        ctx, "cut.png", Pillow.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    )
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(NodeError, match=r"cut\.png is damaged") as caught:
        load_image.run(ctx, image="cut.png")
    assert caught.value.hint


def test_a_missing_file_fails_validation_and_running(ctx: Surroundings):
    assert file_exists(ctx, image="gone.png") == "Invalid image file: gone.png"
    with pytest.raises(NodeError, match=r"gone\.png"):
        load_image.run(ctx, image="gone.png")


def test_a_changed_file_has_another_token(ctx: Surroundings):
    put(ctx, "a.png", Pillow.new("RGB", (4, 4), "red"))
    assert load_image.change_token
    before = load_image.change_token(ctx, image="a.png")
    put(ctx, "a.png", Pillow.new("RGB", (4, 4), "blue"))
    assert load_image.change_token(ctx, image="a.png") != before


def test_the_surroundings_of_tests_are_a_context(ctx: Surroundings):
    assert isinstance(ctx, Context)


def test_a_picture_of_the_output_folder_is_found_with_and_without_its_folder_said(ctx: Surroundings):
    save_image.run(ctx, images=torch.full((1, 4, 5, 3), 0.5), filename_prefix="a")
    for name in ("a_00001_.png", "a_00001_.png [output]"):
        assert output_exists(ctx, image=name) is True
        picture, _ = load_image_output.run(ctx, image=name)  # type: ignore[misc]
        assert picture.shape == (1, 4, 5, 3)
    assert output_exists(ctx, image="gone.png") == "Invalid image file: gone.png [output]"


def test_a_mask_is_shown_in_gray(ctx: Surroundings):
    result = mask_preview.run(ctx, mask=torch.full((2, 4, 5), 0.5))
    assert isinstance(result, Result) and result.ui is not None
    assert [entry["type"] for entry in result.ui["images"]] == ["temp", "temp"]  # type: ignore[index, call-overload]
    with Pillow.open(ctx.files.root / "temp" / result.ui["images"][0]["filename"]) as opened:  # type: ignore[index, call-overload]
        assert opened.getpixel((0, 0)) == (127, 127, 127)
