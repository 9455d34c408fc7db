"""Files such as `extra_model_paths.yaml`: folders of models and packs that people have elsewhere.

Each section names folders by key, from its `base_path` (else from the file's own folder); `is_default` puts them before
the workspace's own. A value may have several lines or be a list. `custom_nodes` are folders of packs.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.workspace import OLDER_KEYS

PACKS = "custom_nodes"
Keyed = Mapping[str, tuple[Path, ...]]


class PathsUnreadable(Exception):
    """The file is not there, or does not say what such files say."""


@dataclass(frozen=True, slots=True)
class ExtraPaths:
    """What the files say together.

    Attributes:
        first, models: folders by key, before and after the workspace's own.
        packs: folders of packs.
    """

    first: Keyed = field(default_factory=dict[str, tuple[Path, ...]])
    models: Keyed = field(default_factory=dict[str, tuple[Path, ...]])
    packs: tuple[Path, ...] = ()

    def missing(self) -> tuple[Path, ...]:
        """Folders that are not there."""
        named = (*sum(self.first.values(), ()), *sum(self.models.values(), ()), *self.packs)
        return tuple(folder for folder in dict.fromkeys(named) if not folder.is_dir())


def read_extra_paths(files: Sequence[Path]) -> ExtraPaths:
    """The folders that all files name, in their order, each once.

    Raises:
        PathsUnreadable: a file cannot be read as one; the message names it.
    """
    first: dict[str, tuple[Path, ...]] = {}
    models: dict[str, tuple[Path, ...]] = {}
    packs: list[Path] = []
    for file in files:
        for section in _sections(file):
            goal = first if section.pop("is_default", False) is True else models
            for key, folder in _entries(file, section):
                if key == PACKS:
                    packs.append(folder)
                else:
                    key = OLDER_KEYS.get(key, key)
                    goal[key] = tuple(dict.fromkeys((*goal.get(key, ()), folder)))
    return ExtraPaths(first, models, tuple(dict.fromkeys(packs)))


def _sections(file: Path) -> Iterator[dict[str, object]]:
    import yaml

    try:
        with file.open(encoding="utf-8") as stream:
            content = yaml.safe_load(stream)
    except OSError as error:
        raise PathsUnreadable(f"{file} cannot be read: {error.strerror or error}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PathsUnreadable(f"{file} is not YAML: {error}") from error
    if content is None:
        return
    if not isinstance(content, dict):
        raise PathsUnreadable(f"{file} must hold sections, each a name with folders below it.")
    for name, section in content.items():
        if section is None:
            continue
        if not isinstance(section, dict):
            raise PathsUnreadable(
                f"{file}: the section {name!r} must hold folders by key, such as `loras: models/loras`."
            )
        yield {str(key): value for key, value in section.items()}


def _entries(file: Path, section: dict[str, object]) -> Iterator[tuple[str, Path]]:
    """Every key with every folder that its value names."""
    base = file.resolve().parent
    named = section.pop("base_path", None)
    if named is not None:
        base = base / _expanded(str(named))
    for key, value in section.items():
        lines = value if isinstance(value, list) else str(value or "").splitlines()
        for line in lines:
            if str(line).strip():
                # Not resolved: who links a folder wants to see it by the link's name.
                yield key, Path(os.path.normpath(base / _expanded(str(line))))


def _expanded(text: str) -> Path:
    return Path(os.path.expandvars(text.strip())).expanduser()
