"""Whose code runs: packs that a person trusts, by their folder and where it came from, and those trusted without asking."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

FILE = "trusted_packs.json"  # among the user data
ALL = "WEFT_TRUST_ALL"  # of the environment; 1: as --trust-all


@dataclass(frozen=True, slots=True)
class Trust:
    """Which packs may run; crosses to the worker, which asks at each start.

    Attributes:
        file: where trust is kept; None: it is not.
        everything: all packs are trusted.
        folders: packs in them, or that they are, are trusted: whoever starts the server has named them.
        names: packs that are trusted by their name, for the same reason.
    """

    file: Path | None = None
    everything: bool = False
    folders: tuple[Path, ...] = ()
    names: frozenset[str] = frozenset()

    def allows(self, pack: Path) -> bool:
        """Whether a pack's code may run. Editing it does not change that; another folder or another origin does."""
        if self.everything or not {pack.name, pack.stem}.isdisjoint(self.names):
            return True
        named = {folder.resolve() for folder in self.folders}
        if not named.isdisjoint((pack.resolve(), pack.parent.resolve())):
            return True
        return self._kept().get(str(pack.resolve())) == origin(pack)

    def add(self, pack: Path) -> None:
        """Trust a pack.

        Raises:
            OSError: it cannot be written down.
        """
        self._write({**self._kept(), str(pack.resolve()): origin(pack)})

    def remove(self, pack: Path) -> None:
        """Trust a pack no more. Errors as `add`."""
        self._write({path: told for path, told in self._kept().items() if path != str(pack.resolve())})

    def _kept(self) -> Mapping[str, str]:
        if self.file is None:
            return {}
        with suppress(OSError, ValueError):  # what cannot be read trusts nobody
            held: object = json.loads(self.file.read_text("utf-8"))
            if isinstance(held, dict):
                return {str(path): str(told) for path, told in cast("dict[object, object]", held).items()}
        return {}

    def _write(self, kept: Mapping[str, str]) -> None:
        if self.file is None:
            raise OSError("There is no folder of user data in which trust could be kept.")
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(kept, indent=2, sort_keys=True), encoding="utf-8")
        new.replace(self.file)


def origin(pack: Path) -> str:
    """Where a folder was cloned from, as git wrote it down; empty where that is not known."""
    with suppress(OSError, UnicodeDecodeError):
        found = re.search(r"^\s*url\s*=\s*(\S+)", (pack / ".git" / "config").read_text("utf-8"), re.MULTILINE)
        return found[1] if found else ""
    return ""


def packs_in(folders: tuple[Path, ...]) -> dict[str, Path]:
    """Folders and files that lie where packs lie, by name; disabled ones too, by the name without its ending."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            bare = path.with_name(path.name.removesuffix(DISABLED))
            is_pack = (path / "__init__.py").is_file() if path.is_dir() else bare.suffix == ".py"
            if is_pack and not path.name.startswith((".", "__")):
                found.setdefault(pack_name(path), path)
    return found


def pack_name(path: Path) -> str:
    """What a pack is called everywhere: its folder's whole name, or its file's without the ending."""
    return path.name.removesuffix(DISABLED).removesuffix(".py")


DISABLED = ".disabled"


def needing(folders: tuple[Path, ...], trust: Trust, class_type: str) -> list[str]:
    """Packs that nobody trusts yet whose files name a class in quotes: who may bring it."""
    wanted = re.compile(rf"[\"']{re.escape(class_type)}[\"']".encode())
    named: list[str] = []
    for name, path in packs_in(folders).items():
        if path.name.endswith(DISABLED) or trust.allows(path):
            continue
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            with suppress(OSError):
                if wanted.search(file.read_bytes()):
                    named.append(name)
                    break
    return named
