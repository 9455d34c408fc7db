"""Latents and moving pictures in files: they come back, and carry what made them."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow
from safetensors import safe_open
from safetensors.torch import save_file

from nodes.builtin.image_animation import save_animated_png, save_animated_webp
from nodes.builtin.latent_files import SAMPLES, file_exists, load_latent, save_latent
from nodes.diffusion.values import Latent
from nodes.spec import NodeError, Result
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

PROMPT = {"1": {"class_type": "X"}}
WORKFLOW = {"nodes": [], "text": "日本"}


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def saved(ctx: Surroundings, result: object, kind: str) -> Path:
    assert isinstance(result, Result)
    assert result.ui is not None
    (entry,) = result.ui[kind]
    assert isinstance(entry, dict)
    return ctx.files.root / "output" / str(entry["subfolder"]) / str(entry["filename"])


def test_latents_come_back_as_they_were_saved(ctx: Surroundings):
    samples = torch.randn(2, 4, 5, 6)
    result = save_latent.run(
        ctx, samples=Latent(samples), prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW}
    )
    path = saved(ctx, result, "latents")
    assert path.relative_to(ctx.files.root).as_posix() == "output/latents/ComfyUI_00001_.latent"
    with safe_open(path, "pt") as opened:
        assert json.loads(opened.metadata()["prompt"]) == PROMPT
        assert json.loads(opened.metadata()["workflow"]) == WORKFLOW
    path.rename(ctx.files.root / "input" / "a.latent")
    assert list(ctx.files.choices("input_latents")) == ["a.latent"]
    made = load_latent.run(ctx, latent="a.latent")
    assert isinstance(made, Latent)
    assert torch.equal(made.samples, samples)


def test_latents_of_old_files_are_scaled(ctx: Surroundings):
    save_file({SAMPLES: torch.full((1, 4, 2, 2), 0.18215)}, ctx.files.root / "input" / "old.latent")
    made = load_latent.run(ctx, latent="old.latent")
    assert isinstance(made, Latent)
    assert torch.allclose(made.samples, torch.ones(1, 4, 2, 2))


def test_a_file_that_is_none_or_gone_is_said(ctx: Surroundings):
    save_file({"x": torch.zeros(1)}, ctx.files.root / "input" / "x.latent")
    (ctx.files.root / "input" / "y.latent").write_text("no tensors")
    with pytest.raises(NodeError, match=r"x\.latent holds no latents"):
        load_latent.run(ctx, latent="x.latent")
    with pytest.raises(NodeError, match=r"y\.latent cannot be read"):
        load_latent.run(ctx, latent="y.latent")
    assert file_exists(ctx, latent="gone.latent") == "Invalid latent file: gone.latent"
    assert file_exists(ctx, latent="x.latent") is True


def test_an_animated_png_holds_all_pictures_and_what_made_it(ctx: Surroundings):
    pictures = torch.rand(3, 6, 5, 3)
    result = save_animated_png.run(
        ctx, images=pictures, fps=4.0, prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW}
    )
    path = saved(ctx, result, "images")
    assert result.ui["animated"] == [True]  # type: ignore[attr-defined]
    with Pillow.open(path) as opened:
        assert opened.n_frames == 3  # type: ignore[attr-defined]
        opened.seek(2)
        assert opened.info["duration"] == 250
        assert opened.convert("RGB").getpixel((0, 0)) == tuple(
            int(value * 255) for value in pictures[2, 0, 0]
        )
    data = path.read_bytes()
    assert b"comfprompt\0" + json.dumps(PROMPT).encode() in data
    assert b"comfworkflow\0" + json.dumps(WORKFLOW).encode() in data


@pytest.mark.parametrize("method", ["default", "fastest", "slowest"])
def test_an_animated_webp_holds_all_pictures_and_what_made_it(ctx: Surroundings, method: str):
    pictures = torch.rand(2, 6, 5, 3)
    result = save_animated_webp.run(
        ctx, images=pictures, fps=10.0, method=method, prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW}
    )
    with Pillow.open(saved(ctx, result, "images")) as opened:
        exif = opened.getexif()
        assert exif[0x0110] == f"prompt:{json.dumps(PROMPT)}"
        assert exif[0x010F] == f"workflow:{json.dumps(WORKFLOW)}"
        assert opened.n_frames == 2  # type: ignore[attr-defined]
        opened.seek(1)
        assert opened.convert("RGB").getpixel((4, 5)) == tuple(
            int(value * 255) for value in pictures[1, 5, 4]
        )


def test_one_picture_is_no_animation(ctx: Surroundings):
    result = save_animated_png.run(ctx, images=torch.rand(1, 4, 4, 4))
    assert isinstance(result, Result)
    assert result.ui is not None
    assert result.ui["animated"] == [False]
