"""Packages that are no part of Weft, fetched for one test run into folders of their own."""

import importlib.metadata
import site
import subprocess
import sys
import tarfile
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

SMALL = "iniconfig"  # a package that says whether there is a registry
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")
KEPT = ("torch", "numpy", "pillow", "transformers", "huggingface_hub")  # what packs may not replace


def unpack(archive: Path, folder: Path) -> None:
    """Put what an archive of tests holds into a folder; Python before 3.11.4 has no filters for that."""
    careful = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(archive) as file:
        file.extractall(folder, **careful)


def environment(folder: Path, *words: str) -> Path:
    """The Python of a new environment in which `pip install` was given these words."""
    python = _create(folder)
    install(python, *words)
    return python


def environment_over_this(folder: Path, *calls: Sequence[str]) -> Path:
    """The Python of a new environment that sees all of the running one's, and has what each call of `pip install` adds.

    Nothing of the running one is replaced, and nothing of it is fetched again: torch alone takes gigabytes.
    """
    python = _create(folder)
    (_packages(python) / "00_running.pth").write_text(
        "".join(f"import site; site.addsitedir({place!r})\n" for place in site.getsitepackages())
    )
    kept = folder / "kept.txt"
    kept.write_text("".join(f"{name}=={importlib.metadata.version(name)}\n" for name in KEPT))
    for words in calls:
        install(python, "--constraint", str(kept), *words)
    return python


def empty_module(python: Path, name: str) -> None:
    """Leave nothing in a module of what was installed there, such as "torchvision/_meta_registrations.py"."""
    (_packages(python) / name).write_text("")


def install(python: Path, *words: str) -> None:
    """`pip install`; the test is skipped if there is no registry, and fails if there is one and the package is not."""
    done = subprocess.run(
        [python, *PIP, "install", *words], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode == 0:
        return
    if not _has_registry(python):
        pytest.skip("No package registry can be reached.")
    pytest.fail(f"pip install {' '.join(words)}: {done.stderr[-2000:]}")


def _create(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _packages(python: Path) -> Path:
    """The folder where pip puts pure packages of that environment."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    said = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return Path(said.stdout.strip())


def _has_registry(python: Path) -> bool:
    asked = [python, *PIP, "download", "--no-deps", "--dest", python.parent.parent / "asked", SMALL]
    return subprocess.run(asked, capture_output=True, timeout=120, check=False).returncode == 0
