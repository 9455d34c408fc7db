"""What a pack's files say of it, without running any: its version, what it wants installed, names of a host."""

import ast
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

NOT_CODE = frozenset({"__pycache__", "node_modules", "venv", "site-packages", ".git"})
LARGEST = 2**21  # bytes of a file that is read
FIRST = ("prestartup_script.py", "__init__.py", "install.py")


@dataclass(frozen=True, slots=True)
class Said:
    """What a pack's files say.

    Attributes:
        version: of `pyproject.toml`; empty if there is none.
        missing: what of its requirements is not installed. conflicts: what is, in a version that it does not want.
        names: of a host, that its code imports, sorted.
        files: how many files of Python it has. first: those that run by themselves.
    """

    version: str = ""
    missing: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    files: int = 0
    first: tuple[str, ...] = ()


def read(path: Path, host: Sequence[str]) -> Said:
    """Read a pack's files.

    Args:
        host: top-level modules that belong to a host.
    """
    missing, conflicts = _wanted(path)
    sources = list(_sources(path))
    names: set[str] = set()
    for source in sources:
        names.update(_imported(source, frozenset(host)))
    return Said(
        version=_version(path),
        missing=missing,
        conflicts=conflicts,
        names=tuple(sorted(names)),
        files=len(sources),
        first=tuple(name for name in FIRST if path.is_dir() and (path / name).is_file()),
    )


def _version(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        project = tomllib.loads((path / "pyproject.toml").read_text("utf-8")).get("project")
        if isinstance(project, dict):
            return str(project.get("version", ""))
    return ""


def _wanted(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Requirements that are missing, and those that another version is installed of."""
    from packaging.requirements import InvalidRequirement, Requirement

    missing: list[str] = []
    conflicts: list[str] = []
    lines: list[str] = []
    with suppress(OSError, UnicodeDecodeError):
        lines = (path / "requirements.txt").read_text("utf-8").splitlines()
    for line in lines:
        with suppress(InvalidRequirement):
            wanted = Requirement(line.partition("#")[0].strip())
            if wanted.marker is not None and not wanted.marker.evaluate():
                continue
            try:
                found = version(wanted.name)
            except PackageNotFoundError:
                missing.append(str(wanted))
                continue
            if not wanted.specifier.contains(found, prereleases=True):
                conflicts.append(f"{wanted} (installed: {found})")
    return tuple(missing), tuple(conflicts)


def _sources(path: Path) -> Iterator[Path]:
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    for file in files:
        inside = file.relative_to(path).parts if path.is_dir() else ()
        if not NOT_CODE.intersection(inside):
            yield file


def _imported(source: Path, host: frozenset[str]) -> Iterator[str]:
    try:
        if source.stat().st_size > LARGEST:
            return
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # Python says what is wrong when it is imported
    for at in ast.walk(tree):
        if isinstance(at, ast.Import):
            yield from (alias.name for alias in at.names if alias.name.partition(".")[0] in host)
        elif isinstance(at, ast.ImportFrom) and not at.level and (at.module or "").partition(".")[0] in host:
            yield from (f"{at.module}.{alias.name}" for alias in at.names)


def web_of(path: Path) -> str:
    """The folder of scripts that a pack's `pyproject.toml` names (`tool.comfy.web`); empty if it names none."""
    with suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        told: Any = tomllib.loads((path / "pyproject.toml").read_text("utf-8"))
        for key in ("tool", "comfy", "web"):
            told = told.get(key) if isinstance(told, dict) else None
        return told if isinstance(told, str) else ""
    return ""
