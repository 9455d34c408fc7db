"""Packages that are no part of Weft, fetched for one test run into folders of their own."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

SMALL = "iniconfig"  # a package that says whether there is a registry
PIP = ("-m", "pip", "--disable-pip-version-check", "--quiet")


def environment(folder: Path, *words: str) -> Path:
    """The Python of a new environment in which `pip install` was given these words."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    _install(python, *words)
    return python


def _install(python: Path, *words: str) -> None:
    """`pip install`; the test is skipped if there is no registry, and fails if there is one and the package is not."""
    done = subprocess.run(
        [python, *PIP, "install", *words], capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode == 0:
        return
    if not _has_registry(python):
        pytest.skip("No package registry can be reached.")
    pytest.fail(f"pip install {' '.join(words)}: {done.stderr[-2000:]}")


def _has_registry(python: Path) -> bool:
    asked = [python, *PIP, "download", "--no-deps", "--dest", python.parent.parent / "asked", SMALL]
    return subprocess.run(asked, capture_output=True, timeout=120, check=False).returncode == 0
