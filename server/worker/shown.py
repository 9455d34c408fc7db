"""The files that a node told the canvas of: a kept result is as good as they are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nodes.spec import Files, Json, NodeError, Place

Ui = Mapping[str, Sequence[Json]]


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A picture (or another file), as the canvas names it."""

    place: Place
    subfolder: str
    filename: str


def files_in(ui: Ui | None) -> Iterator[ShownFile]:
    """The files named in what a node shows."""
    for items in (ui or {}).values():
        for item in items:
            if isinstance(item, Mapping) and item.get("type") in set(Place) and item.get("filename"):
                yield ShownFile(
                    Place(str(item["type"])), str(item.get("subfolder") or ""), str(item["filename"])
                )


def stands(files: Files, ui: Ui) -> bool:
    """Whether all of them are still there."""
    try:
        for shown in files_in(ui):
            files.picture(f"{shown.subfolder}/{shown.filename} [{shown.place}]".removeprefix("/"))
    except NodeError:
        return False
    return True


def lasts(ui: Ui | None, *, is_output: bool) -> bool:
    """Whether a result may outlive the server.

    What a node did to the world is told by the files it names alone; temporary ones go when a server starts.
    """
    places = [shown.place for shown in files_in(ui)]
    return Place.TEMP not in places and (bool(places) or not is_output)
