"""What packs bring beside nodes: translations, workflows to begin with, subgraphs. Read from their folders, no code runs.

Packs are found as the worker finds them, whether they load or not, so nobody waits for the worker. A file that cannot be
read is left out and named in the log.
"""

import hashlib
import json
import logging
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from nodes.spec import Json
from server.api import wire
from server.workspace import inside

log = logging.getLogger(__name__)
WORKFLOW_FOLDERS = ("example_workflows", "example", "examples", "workflow", "workflows")
LOCALE_PARTS = (
    "main",
    "nodeDefs",
    "commands",
    "settings",
)  # files of a language; `main` holds all other keys
Packs: TypeAlias = Mapping[str, Path]  # folders of packs, by name
LONGEST = 8 * 1024 * 1024  # bytes of one file


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A graph that can be used as one node, and the pack that brought it."""

    id: str
    name: str
    pack: str
    path: Path


def packs(folders: Iterable[Path], only: Container[str] | None = None) -> Packs:
    """Folders of packs by name, of those in `folders`; with `only`, of these names alone."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            wanted = only is None or path.name in only
            named_out = path.name.startswith((".", "__")) or path.name.endswith(".disabled")
            if wanted and not named_out and path.is_dir():
                found.setdefault(path.name, path)
    return found


def translations(packs: Packs) -> dict[str, Json]:
    """By language what packs translate: nodeDefs, commands, settings and more; of two packs that say the same, the later."""
    found: dict[str, Json] = {}
    for folder in packs.values():
        for language in _entries(folder / "locales"):
            if language.is_dir():
                for part in LOCALE_PARTS:
                    said = _object(language / f"{part}.json")
                    told: dict[str, Json] = said if part == "main" else {part: said}
                    if said:
                        found[language.name] = _joined(found.get(language.name), told)
    return found


def node_words(packs: Packs, language: str, node: str) -> dict[str, Json] | None:
    """What packs say of a node in a language; None if none says anything."""
    told = translations(packs).get(language)
    words = told.get("nodeDefs") if isinstance(told, dict) else None
    said = words.get(node) if isinstance(words, dict) else None
    return said if isinstance(said, dict) else None


def workflows(packs: Packs) -> dict[str, list[str]]:
    """Names of the workflows that packs bring, without suffix, by pack."""
    found: dict[str, list[str]] = {}
    for name, folder in packs.items():
        names = {
            path.stem
            for part in WORKFLOW_FOLDERS
            for path in _entries(folder / part)
            if path.suffix == ".json"
        }
        if names:
            found[name] = sorted(names)
    return found


def workflow_file(packs: Packs, pack: str, name: str) -> Path | None:
    """A workflow of a pack, or the picture beside it; None if there is none.

    Raises:
        NameRefused: the name leads out of its folder.
    """
    folder = packs.get(pack)
    if folder is None:
        return None
    found = (inside(folder / part, name) for part in WORKFLOW_FOLDERS)
    return next((path for path in found if path.is_file()), None)


def subgraphs(packs: Packs) -> dict[str, Subgraph]:
    """Subgraphs of packs by id, which stays the same from start to start."""
    found: dict[str, Subgraph] = {}
    for name, folder in packs.items():
        for path in _entries(folder / "subgraphs"):
            if path.suffix == ".json":
                id = hashlib.sha256(f"{name}/{path.name}".encode(errors="replace")).hexdigest()
                found[id] = Subgraph(id, path.stem, name, path)
    return found


def _entries(folder: Path) -> Iterator[Path]:
    """What lies in a folder and stays in it, by name; nothing if it is none."""
    root = folder.resolve()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.startswith(".") and path.resolve().is_relative_to(root):
            yield path


def _object(path: Path) -> dict[str, Json]:
    """The JSON object in a file; empty if there is none."""
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            return dict(wire.read_object(wire.loads(file.read(LONGEST))))  # cut off, it is no JSON any more
    except (OSError, wire.BadRequest) as error:
        log.warning("%s is left out: %s", path, error)
        return {}


def _joined(old: Json, new: Json) -> Json:
    """The newer value; of two objects, the keys of both."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return new
    return {**old, **{key: _joined(old.get(key), value) for key, value in new.items()}}


def text_of(path: Path) -> str | None:
    """A workflow's JSON as text; None if it is no JSON."""
    try:
        text = path.read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s is left out: %s", path, error)
        return None
    return text
