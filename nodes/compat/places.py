"""The workspace's folders as packs see them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders, handed in by whoever loads packs.

    Attributes:
        root: the workspace.
        models: the folder of model folders.
        folders: by folder key, where its files lie and their suffixes (none: all files).
        packs: folders of packs.
        choices: what combos of built-in nodes offer of a folder key; None: its files.
    """

    root: Path
    models: Path
    input: Path
    output: Path
    temp: Path
    user: Path
    folders: Mapping[str, tuple[tuple[Path, ...], frozenset[str]]]
    packs: tuple[Path, ...] = ()
    choices: Callable[[str], Sequence[str]] | None = None
