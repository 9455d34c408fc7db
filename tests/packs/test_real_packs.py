"""Ten packs of the field's, as their people wrote them: all load, and their nodes give what a host of the field gave.

They are no part of Weft. `WEFT_TEST_PACKS=FOLDER` says where they lie, else `../shared/packs` beside the checkout.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.installing import empty_module, environment_over_this, unpack
from tests.serving import Server, serving

pytestmark = [pytest.mark.packs, pytest.mark.timeout(1500)]

FOLDER = "WEFT_TEST_PACKS"
MADE_BEFORE = "WEFT_GOLDEN_MODELS"  # a folder in which make_ckpt.py has put its models
MAKE_MODELS = Path(__file__).parents[1] / "data" / "tools" / "make_ckpt.py"

# What the ten import. numpy stays as it is, whatever one of them says; torchvision is the one of our torch, without the
# registrations that ask for kernels which torch's build for processors does not have.
TORCHVISION = ("--no-deps", "torchvision==0.28.0")
IMPORTED = """color-matcher colour-science dill einops gitpython imageio imageio-ffmpeg joblib kornia librosa matplotlib
    mss numba opencv-python-headless pandas piexif pilgram psutil scikit-image scikit-learn scipy segment-anything
    cloudpickle""".split()
# What a golden may want that is not here: an old numpy, a file of another host's, the same luck.
UNMET = {"numpy<2", "picture", "random"}


@pytest.fixture(scope="module")
def packs(project: Path) -> Path:
    """The folder of the archives, of what was recorded, and of the programs that ask for it again."""
    named = os.environ.get(FOLDER)
    folder = Path(named) if named else project.parent / "shared" / "packs"
    if not (folder / "goldens.json").is_file():
        reason = f"The ten packs are not in {folder}: {FOLDER}=FOLDER says where they lie."
        if named:
            pytest.fail(reason)
        pytest.skip(reason)
    return folder.resolve()


@pytest.fixture(scope="module")
def server(packs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    work = tmp_path_factory.mktemp("real")
    python = environment_over_this(work / "environment", TORCHVISION, IMPORTED)
    empty_module(python, "torchvision/_meta_registrations.py")
    inside = work / "workspace" / "custom_nodes"
    inside.mkdir(parents=True)
    for archive in sorted(packs.glob("*.tar.gz")):
        unpack(archive, inside)
    shutil.copytree(packs / "probe_pack", inside / "probe_pack")
    models = work / "workspace" / "models"
    _put_models(models, work / "made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_PYTHON_REFRESH", "quiet")  # gitpython refuses to be imported where there is no git
        with serving(work / "workspace", "--cpu", python=python) as running:
            running.get("/object_info")
            yield running
    shutil.rmtree(work)  # three gigabytes


def _put_models(models: Path, made: Path) -> None:
    """A checkpoint and a LoRA of random weights, under the names that the records ask for."""
    before = os.environ.get(MADE_BEFORE)
    if before:
        made = Path(before)
    else:
        subprocess.run([sys.executable, MAKE_MODELS, made, "--only", "sd15", "lora"], check=True)
    for kind, ours, theirs in (
        ("checkpoints", "bench_sd15.safetensors", "probe_sd15.safetensors"),
        ("loras", "bench_sd15_lora.safetensors", "probe_lora.safetensors"),
    ):
        (models / kind).mkdir(parents=True)
        (models / kind / theirs).symlink_to((made / kind / ours).resolve())


def replay(program: Path, server: Server) -> list[str]:
    """What one of the packs' own programs says of this server, line by line."""
    done = subprocess.run(
        [sys.executable, program, server.url], capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.stdout, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_all_ten_load(packs: Path, server: Server):
    told = {pack["name"]: pack for pack in server.get("/api/weft/packs")}
    wanted = {archive.name.removesuffix(".tar.gz") for archive in packs.glob("*.tar.gz")}
    assert len(wanted) == 10
    assert {name: told[name]["error"] for name in wanted if not told[name]["ok"]} == {}
    assert {name for name in wanted if not told[name]["nodes"]} == set()


def test_every_case_written_by_hand_gives_what_it_should(packs: Path, server: Server):
    said = replay(packs / "replay_cases.py", server)
    count = len(json.loads((packs / "cases.json").read_text()))
    assert said[-1] == f"passed {count} of {count}", "\n".join(line for line in said if "FAIL" in line)


def test_every_node_gives_what_a_host_of_the_field_gave(packs: Path, server: Server):
    goldens = json.loads((packs / "goldens.json").read_text())
    said = replay(packs / "replay_goldens.py", server)
    assert said[-1].endswith(f" of {len(goldens)}"), said[-1]
    passed = int(said[-1].split()[1])
    failed = [golden for golden in goldens if any(line.startswith(_title(golden)) for line in said)]
    assert len(failed) >= len(goldens) - passed
    broken = [_title(golden) for golden in failed if not UNMET & set(golden.get("needs", ()))]
    assert broken == [], "\n".join(said)


def _title(golden: dict[str, Any]) -> str:
    return f"{golden['pack'].split('/')[1]} {golden['node']} "
