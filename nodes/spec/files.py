"""Files as a node sees them: by folder key and name, never by a path of its own making."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable


class Place(StrEnum):
    """The three folders of pictures."""

    INPUT = "input"
    OUTPUT = "output"
    TEMP = "temp"


@dataclass(frozen=True, slots=True)
class SaveSlot:
    """A free file name, already reserved: write the file at `path`, then tell the canvas `reference()`."""

    path: Path
    filename: str
    subfolder: str
    place: Place

    def reference(self) -> dict[str, str]:
        """How `/view` and the canvas name this file."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.place.value}


@runtime_checkable
class Files(Protocol):
    """What a node may ask of the workspace. Names never leave their folder."""

    def choices(self, folder: str) -> Sequence[str]:
        """The files of a folder key ("checkpoints", "loras", "input"...), as the combo lists them."""
        ...

    def find(self, folder: str, name: str) -> Path:
        """The file (or model folder) behind a listed name.

        Raises:
            NodeError: there is no such file; the message names the folder and what to do.
        """
        ...

    def picture(self, name: str) -> Path:
        """An input picture; the name may end in ` [input]`, ` [output]` or ` [temp]`.

        Raises:
            NodeError: as for `find`.
        """
        ...

    def reserve(self, place: Place, prefix: str, suffix: str, *, width: int = 0, height: int = 0) -> SaveSlot:
        """The next free name `prefix_00001_` + suffix, created at once so that nobody else gets it.

        Args:
            place: output or temp.
            prefix: may hold subfolders and %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%.
            suffix: with its dot, ".png".
            width, height: of the picture, in pixels.

        Raises:
            NodeError: the prefix leads out of the folder, or the disk refuses.
        """
        ...
