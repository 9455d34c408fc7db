"""Files as a node sees them: by folder key and name, never by a path of its own making."""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from nodes.spec.errors import NodeError


class Place(StrEnum):
    """The three folders of pictures."""

    INPUT = "input"
    OUTPUT = "output"
    TEMP = "temp"


PARTIAL = ".part"


@dataclass(frozen=True, slots=True)
class SaveSlot:
    """A file name that is nobody else's: write the file in `writing()`, then tell the canvas `reference()`.

    Attributes:
        path: where the file will lie once it is whole.
    """

    path: Path
    filename: str
    subfolder: str
    place: Place

    @property
    def partial(self) -> Path:
        """Where the file lies until it is whole."""
        return self.path.with_name(self.filename + PARTIAL)

    @contextmanager
    def writing(self) -> Generator[Path, None, None]:
        """The file to write. Where the block ends well it takes its name, whole and on the disk; else there is none.

        Raises:
            NodeError: the disk refuses.
        """
        try:
            yield self.partial
            if self.place is not Place.TEMP:  # that folder is emptied at the next start anyway
                with self.partial.open("rb+") as file:
                    os.fsync(file.fileno())
            self.partial.replace(self.path)
            if self.place is not Place.TEMP:
                _sync_names(self.path.parent)
        except OSError as error:
            raise NodeError(
                f"The file {self.filename} could not be written: {error.strerror or error}.",
                "Free some space or choose another output folder, then run again: only the save is repeated.",
            ) from error
        finally:
            with suppress(OSError):
                self.partial.unlink(missing_ok=True)

    def reference(self) -> dict[str, str]:
        """How `/view` and the canvas name this file."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.place.value}


def _sync_names(folder: Path) -> None:
    """Where a system keeps names apart from files, and lets one ask: put a folder's names on the disk."""
    if os.name == "posix":
        with suppress(OSError):  # some network drives refuse
            opened = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)


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

    def reserve(
        self, place: Place, prefix: str, suffix: str, *, width: int = 0, height: int = 0, end: str = "_"
    ) -> SaveSlot:
        """The next free name `prefix_00001_` + suffix, taken at once so that nobody else gets it.

        A job that runs again after it was cut off gets the names that it took before.

        Args:
            place: output or temp.
            prefix: may hold subfolders and %width%, %height%, %year%, %month%, %day%, %hour%, %minute%, %second%.
            suffix: with its dot, ".png".
            width, height: of the picture, in pixels.
            end: what stands between the number and the suffix.

        Raises:
            NodeError: the prefix leads out of the folder, or the disk refuses.
        """
        ...

    def overwrite(self, place: Place, name: str) -> SaveSlot:
        """A file of that very name, with / between folders, which are made; an older one is replaced.

        Raises:
            NodeError: the name leads out of the folder, or the disk refuses.
        """
        ...

    def number(self, folder: Path, stem: str, free: int) -> int:
        """The number from which a save of several files counts, for nodes that choose `stem_NUMBER_...` by themselves.

        Args:
            free: the next number that no file has.

        Returns:
            `free`; or where a job runs again after it was cut off, the number that it began with before, if nobody else
            has counted on from there.
        """
        ...
