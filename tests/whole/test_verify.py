"""`weft verify` on pictures of the starter model: the same pixels again, and a line for all that is other here."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from nodes.spec import RECORD
from server.cli import main
from server.config import ROOT, STARTER
from tests.whole.test_pictures import txt2img

LARGEST = 2**64 - 1
HERE = ("--backend", "thread")  # in this process: quicker
PACK = """
class Darker:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "darken"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def darken(self, image):
        return (image * 0.5,)


NODE_CLASS_MAPPINGS = {"Darker": Darker}
"""


@dataclass(frozen=True)
class Said:
    """What `weft verify --json` said, and its exit status."""

    status: int
    told: dict[str, Any]

    @property
    def lines(self) -> list[str]:
        return [entry["message"] for entry in self.told["differences"]]


Verify = Callable[..., Said]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a model and a pack of its own, and two pictures of one batch that they made."""
    root = tmp_path_factory.mktemp("place")
    shutil.copytree(ROOT / "nodes" / "starter" / STARTER, root / "models" / "checkpoints" / "mine")
    (root / "custom_nodes").mkdir()
    (root / "custom_nodes" / "darkroom.py").write_text(PACK)
    prompt = txt2img(
        n1_ckpt_name="mine", n4_batch_size=2, n5_seed=LARGEST, n5_steps=2, n7_images=["8", 0]
    ) | {"8": {"class_type": "Darker", "inputs": {"image": ["6", 0]}}}
    prompt["20"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": STARTER}}  # feeds nothing
    file = root / "prompt.json"
    file.write_text(json.dumps(prompt))
    assert main(["run", str(file), "--workspace", str(root)]) == 0
    return root


@pytest.fixture
def verify(place: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    def run(image: Path, *arguments: str) -> Said:
        before = sorted((place / "output").iterdir())
        status = main(["verify", str(image), "--json", "--workspace", str(place), *arguments])
        assert sorted((place / "output").iterdir()) == before
        return Said(status, json.loads(capsys.readouterr().out))

    return run


def picture(place: Path, index: int) -> Path:
    return sorted((place / "output").glob("apple_*.png"))[index]


def texts(path: Path) -> dict[str, str]:
    with Image.open(path) as opened:
        assert isinstance(opened, PngImageFile)
        return {name: str(text) for name, text in opened.text.items()}


def copied(source: Path, goal: Path, chunks: dict[str, str], edit: bool = False) -> Path:
    """The picture with other chunks, and perhaps one other pixel."""
    info = PngInfo()
    for name, text in chunks.items():
        info.add_text(name, text)
    with Image.open(source) as opened:
        pixels = opened.copy()
    if edit:
        pixels.putpixel((5, 5), (255, 0, 255))
    pixels.save(goal, pnginfo=info)
    return goal


def test_the_record_names_what_had_a_part_and_nothing_else(place: Path):
    said = json.loads(texts(picture(place, 1))[RECORD])
    assert (said["index"], said["count"]) == (1, 2)
    assert [(file["folder"], file["name"]) for file in said["files"]] == [("checkpoints", "mine")]
    assert said["nodes"]["Darker"]["module"] == "custom_nodes.darkroom"
    assert said["seeds"] == {"5.seed": str(LARGEST)}
    assert str(LARGEST) in texts(picture(place, 1))["prompt"]


def test_made_again_in_another_process_every_pixel_is_the_same(place: Path, verify: Verify):
    for index, arguments in ((1, ()), (1, ()), (0, HERE)):
        said = verify(picture(place, index), "--rerun", *arguments)
        assert (said.status, said.lines, said.told["same"]) == (0, [], True)
        assert said.told["rerun"]["identical"] and said.told["rerun"]["certain"]
        assert said.told["rerun"]["distance"] == {"largest": 0, "mean": 0.0, "psnr": None, "share": 0.0}


@pytest.mark.skipif((os.cpu_count() or 1) == 1, reason="torch takes no more threads than there are cores")
def test_another_number_of_threads_is_told(place: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch):
    threads = json.loads(texts(picture(place, 0))[RECORD])["machine"]["threads"]
    other = 2 if threads == 1 else 1
    monkeypatch.setenv("OMP_NUM_THREADS", str(other))  # the worker's, which starts anew
    said = verify(picture(place, 0))
    assert [entry["kind"] for entry in said.told["differences"]] == ["machine"]
    assert f"number of threads: {threads}, here {other}" in said.lines[0]


def test_an_edited_picture_is_told_from_what_was_saved(place: Path, verify: Verify, tmp_path: Path):
    source = picture(place, 0)
    said = verify(copied(source, tmp_path / "edited.png", texts(source), edit=True), "--rerun", *HERE)
    assert (said.status, said.told["edited"]) == (1, True)
    assert "edited" in said.lines[0] and len(said.lines) == 1
    assert said.told["rerun"]["identical"] and said.told["rerun"]["distance"]["largest"] > 0


def test_a_rounded_seed_is_mended_from_the_record(place: Path, verify: Verify, tmp_path: Path):
    source = picture(place, 0)
    chunks = texts(source)
    assert chunks["prompt"].count(str(LARGEST)) == 1
    rounded = chunks | {"prompt": chunks["prompt"].replace(str(LARGEST), "18446744073709552000")}
    said = verify(copied(source, tmp_path / "rounded.png", rounded), "--rerun", *HERE)
    assert said.status == 0 and said.told["rerun"]["identical"]
    assert f"seed 5.seed was {LARGEST}" in said.lines[1]


def test_of_another_hosts_picture_the_prompt_alone_is_known(place: Path, verify: Verify, tmp_path: Path):
    source = picture(place, 1)
    alone = copied(source, tmp_path / "theirs.png", {"prompt": texts(source)["prompt"]})
    said = verify(alone, *HERE)
    assert (said.status, said.told["recorded"]) == (1, False)
    assert len(said.lines) == 1 and "not known" in said.lines[0]
    again = verify(alone, "--rerun", *HERE)
    assert again.status == 0 and again.told["rerun"]["identical"] and not again.told["rerun"]["certain"]


def test_other_weights_and_another_pack_are_told_and_make_another_picture(place: Path, verify: Verify):
    weights = place / "models" / "checkpoints" / "mine" / "vae" / "diffusion_pytorch_model.safetensors"
    pack = place / "custom_nodes" / "darkroom.py"
    before = weights.read_bytes()
    try:
        weights.write_bytes(before[:-4000] + bytes(4000))
        pack.write_text(PACK.replace("0.5", "0.25"))
        said = verify(picture(place, 0), "--rerun")
    finally:
        weights.write_bytes(before)
        pack.write_text(PACK)
    assert said.status == 1
    assert [entry["kind"] for entry in said.told["differences"]] == ["node", "file"]
    assert "Darker of the pack darkroom has other code" in said.lines[0]
    assert "checkpoints/mine has other content" in said.lines[1]
    apart = said.told["rerun"]["distance"]
    assert not said.told["rerun"]["identical"] and apart["largest"] > 0 and 0 < apart["psnr"] < 60


def test_what_is_gone_is_told_and_a_model_is_found_by_its_content(place: Path, verify: Verify):
    models, pack = place / "models" / "checkpoints", place / "custom_nodes" / "darkroom.py"
    try:
        (models / "mine").rename(models / "renamed")
        pack.unlink()
        said = verify(picture(place, 0), "--rerun")
    finally:
        (models / "renamed").rename(models / "mine")
        pack.write_text(PACK)
    assert said.status == 1
    assert "Darker of the pack darkroom is not installed" in said.lines[0]
    assert "is not here" in said.lines[1] and f"is here as {STARTER}, renamed" in said.lines[1]
    assert "cannot be made again" in said.told["rerun"]["error"]


def test_a_file_that_says_nothing_is_told_in_words(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "bare.png"
    Image.new("RGB", (4, 4)).save(path)
    assert main(["verify", str(path), "--workspace", str(place)]) == 2
    said = capsys.readouterr()
    assert "does not say what made it" in said.err and said.out == ""
