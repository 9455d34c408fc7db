"""Pictures from the starter model: the same prompt gives the same bytes, and only what must runs again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from nodes.spec import RECORD
from tests.serving import Server, serving


def txt2img(**changes: Any) -> dict[str, Any]:
    """The shipped path: checkpoint, two prompts, empty latent, sampler, decode, save."""
    sampler = {
        "model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0],
        "seed": 1, "steps": 4, "cfg": 3.0, "sampler_name": "dpmpp_2m", "scheduler": "sgm_uniform", "denoise": 1.0,
    }  # fmt: skip
    nodes = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "weft-starter-v0"}),
        "2": ("CLIPTextEncode", {"clip": ["1", 1], "text": "a red apple"}),
        "3": ("CLIPTextEncode", {"clip": ["1", 1], "text": ""}),
        "4": ("EmptyLatentImage", {"width": 128, "height": 128, "batch_size": 1}),
        "5": ("KSampler", sampler),
        "6": ("VAEDecode", {"samples": ["5", 0], "vae": ["1", 2]}),
        "7": ("SaveImage", {"images": ["6", 0], "filename_prefix": "apple"}),
    }
    prompt = {id: {"class_type": kind, "inputs": dict(inputs)} for id, (kind, inputs) in nodes.items()}
    for place, value in changes.items():
        id, name = place.split("_", 1)
        prompt[id.removeprefix("n")]["inputs"][name] = value
    return prompt


def made(entry: Mapping[str, Any], workspace: Path, node: str = "7") -> Path:
    assert entry["status"]["status_str"] == "success", entry["status"]
    shown = entry["outputs"][node]["images"][0]
    return workspace / shown["type"] / shown["subfolder"] / shown["filename"]


def cached(entry: Mapping[str, Any]) -> set[str]:
    return next(
        set(data["nodes"]) for kind, data in entry["status"]["messages"] if kind == "execution_cached"
    )


def test_only_what_must_runs_again(server: Server, workspace: Path):
    prompt = txt2img(n5_seed=11)
    first = server.run(prompt)
    assert not cached(first) & {"5", "6", "7"}
    picture = made(first, workspace)
    with Image.open(picture) as opened:
        assert opened.size == (128, 128)
        assert json.loads(opened.text["prompt"]) == prompt  # type: ignore[attr-defined]
    assert cached(server.run(txt2img(n5_seed=12))) == {"1", "2", "3", "4"}
    assert cached(server.run(txt2img(n5_seed=12, n7_filename_prefix="other"))) == {
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
    }
    assert cached(server.run(txt2img(n5_seed=12, n2_text="a blue fish"))) == {"1", "3", "4"}


def test_the_same_prompt_gives_the_same_bytes(tmp_path: Path):
    with serving(tmp_path, "--cache-disk", "0") as server:
        first = made(server.run(txt2img(n5_seed=21, n7_filename_prefix="once")), tmp_path)
        server.post("/free", {"unload_models": True, "free_memory": True})
        again = made(server.run(txt2img(n5_seed=21, n7_filename_prefix="once")), tmp_path)
    assert again != first
    assert but_for_its_job(again) == but_for_its_job(first)


def but_for_its_job(picture: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of the pixels, and all that the file says but the id of the job."""
    with Image.open(picture) as opened:
        assert isinstance(opened, PngImageFile)
        said = {name: json.loads(text) for name, text in opened.text.items()}
        del said[RECORD]["job"]
        return opened.tobytes(), said


def test_another_seed_gives_another_picture(server: Server, workspace: Path):
    one = made(server.run(txt2img(n5_seed=31)), workspace).read_bytes()
    other = made(server.run(txt2img(n5_seed=32)), workspace).read_bytes()
    assert one != other


def test_image_to_image_and_inpainting(server: Server, workspace: Path):
    source = made(server.run(txt2img(n5_seed=41)), workspace)
    (workspace / "input" / "apple.png").write_bytes(source.read_bytes())
    prompt = txt2img(n5_seed=42, n5_denoise=0.5, n5_latent_image=["12", 0])
    prompt |= {
        "10": {"class_type": "LoadImage", "inputs": {"image": "apple.png"}},
        "11": {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["1", 2]}},
        "12": {"class_type": "SetLatentNoiseMask", "inputs": {"samples": ["11", 0], "mask": ["13", 0]}},
        "13": {"class_type": "MaskComposite", "inputs": {
            "destination": ["14", 0], "source": ["15", 0], "x": 64, "y": 0, "operation": "add"}},
        "14": {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 128, "height": 128}},
        "15": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 128}},
    }  # fmt: skip
    kept_half = made(server.run(prompt), workspace)
    with Image.open(source) as before, Image.open(kept_half) as after:
        left = [picture.convert("RGB").crop((0, 0, 40, 128)) for picture in (before, after)]
        right = [picture.convert("RGB").crop((72, 0, 128, 128)) for picture in (before, after)]
    assert difference(*left) < 6 < difference(*right) + 6
    assert left[0] is not None and difference(*right) > 0


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean of the absolute differences of 8-bit values."""
    pairs = list(zip(one.tobytes(), other.tobytes(), strict=True))
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


@pytest.mark.parametrize(
    "sampler", ["euler", "euler_ancestral", "heun", "dpm_2", "dpmpp_2m_sde", "ddim", "ddpm", "lcm"]
)
def test_every_sampler_makes_a_picture(server: Server, workspace: Path, sampler: str):
    with Image.open(made(server.run(txt2img(n5_sampler_name=sampler)), workspace)) as picture:
        extremes = picture.convert("L").getextrema()
    assert extremes[1] - extremes[0] > 60  # type: ignore[operator]
