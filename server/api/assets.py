"""Files of the workspace as assets: pictures of input and output, models by kind, with tags that say where they lie.

A local server's files are its assets: nothing is copied or moved. An asset's id is made of its place, so it stays the same
from start to start; its tags are its place ("output", "models") and the folders in it, then those that people gave it.
"""

import mimetypes
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from nodes.spec import Json, Place
from server.api.asset_listings import AssetJson, TagJson
from server.hashes import Hashes
from server.shelf import Note
from server.workspace import Workspace

NAMESPACE = uuid.UUID("7b0bd6de-6ad0-4d3c-9d0a-0f4f8c1f6a55")  # any will do, as long as it stays
SHOWN_PLACES = (Place.INPUT, Place.OUTPUT)  # temp is gone with the next start
MODELS = "models"
ALGORITHM = "sha256"  # of hashes, as clients write it before the digits
ORDERS = ("created_at", "updated_at", "name", "size")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the workspace.

    Attributes:
        name: with / between folders, below the place or the kind of models that it lies in.
        place: None for a model.
        where: tags that say where it lies; nobody can take them away.
        note: what people say of it.
        hash: SHA-256 of its content; None if it was not computed yet.
        created, modified: seconds since 1970.
    """

    id: str
    name: str
    path: Path
    place: Place | None
    where: tuple[str, ...]
    size: int
    created: float
    modified: float
    hash: str | None = None
    note: Note = field(default_factory=Note)

    @property
    def shown(self) -> str:
        """What it is called."""
        return self.note.name or self.name

    @property
    def tags(self) -> tuple[str, ...]:
        """All of its tags, each once."""
        return tuple(dict.fromkeys((*self.where, *self.note.tags)))


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of files beside what they are: notes by the id of their asset, and hashes."""

    notes: Mapping[str, Note]
    hashes: Hashes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which assets: with all of `include` and none of `exclude`, with a text in the name; sorted, a page of them."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    text: str = ""
    sort: str = ORDERS[0]
    ascending: bool = False
    limit: int = 500
    offset: int = 0


def assets(workspace: Workspace, known: Known) -> Iterator[Asset]:
    """All assets, the hidden ones too. Slow where there are many: not for the event loop."""
    for place in SHOWN_PLACES:
        root = workspace.place(place)
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root)
            inside = path.resolve().is_relative_to(root.resolve())
            if path.is_file() and inside and not any(part.startswith(".") for part in name.parts):
                yield asset_in(workspace, place, path, known)
    for key, roots in workspace.folders().items():
        for name in workspace.choices(key):
            path = next((root / name for root in roots if (root / name).is_file()), None)
            if path is not None:
                yield model_asset(key, name, path, known)


def asset_in(workspace: Workspace, place: Place, path: Path, known: Known) -> Asset:
    """The asset that a file of a place is."""
    name = path.relative_to(workspace.place(place)).as_posix()
    return _asset(path, name, (place.value,), place, known)


def model_asset(key: str, name: str, path: Path, known: Known) -> Asset:
    """The asset that a file of a folder key is."""
    return _asset(path, name, (MODELS, key), None, known)


def search(found: Iterable[Asset], wanted: Wanted) -> tuple[Sequence[Asset], int]:
    """A page of those wanted, and how many there are in all."""
    kept = [
        asset
        for asset in found
        if not asset.note.hidden
        and set(wanted.include) <= set(asset.tags)
        and not set(wanted.exclude) & set(asset.tags)
        and wanted.text.lower() in asset.shown.lower()
    ]
    keys = {
        "name": lambda asset: asset.shown.lower(),
        "size": lambda asset: asset.size,
        "updated_at": lambda asset: asset.modified,
    }
    kept.sort(key=keys.get(wanted.sort, lambda asset: asset.created), reverse=not wanted.ascending)
    return kept[wanted.offset : wanted.offset + wanted.limit], len(kept)


def tags(found: Iterable[Asset]) -> list[TagJson]:
    """All tags, the most used first, with how many assets have each; "user": only people gave it."""
    counted = Counter[str]()
    places = set[str]()
    for asset in found:
        if not asset.note.hidden:
            counted.update(asset.tags)
            places.update(asset.where)
    return [
        {"name": name, "type": "system" if name in places else "user", "count": count}
        for name, count in counted.most_common()
    ]


def asset_json(asset: Asset) -> AssetJson:
    """An asset as clients know it. The hash is null until it was computed: reading all models for one takes hours."""
    metadata: dict[str, Json] = {"filename": asset.name, **asset.note.metadata}
    return {
        "id": asset.id,
        "name": asset.shown,
        "hash": f"{ALGORITHM}:{asset.hash}" if asset.hash else None,
        "size": asset.size,
        "mime_type": mime_type(asset.path),
        "tags": list(asset.tags),
        "preview_url": preview_url(asset.path, asset.name, asset.place) if asset.place else None,
        "created_at": moment(asset.created),
        "updated_at": moment(asset.modified),
        "user_metadata": metadata,
    }


def mime_type(path: Path) -> str:
    """By the file's name."""
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def preview_url(path: Path, name: str, place: Place) -> str | None:
    """Where a picture is shown small; None for what is no picture."""
    if not mime_type(path).startswith("image/"):
        return None
    folder, _, filename = name.rpartition("/")
    query = {"filename": filename, "subfolder": folder, "type": place.value, "preview": "webp;80"}
    return f"/api/view?{urlencode(query)}"


def moment(seconds: float) -> str:
    """A time in ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _asset(path: Path, name: str, at: tuple[str, ...], place: Place | None, known: Known) -> Asset:
    stat = path.stat()
    id = str(uuid.uuid5(NAMESPACE, "/".join((*at, name))))
    return Asset(
        id=id,
        name=name,
        path=path,
        place=place,
        where=tuple(dict.fromkeys((*at, *name.split("/")[:-1]))),
        size=stat.st_size,
        created=stat.st_ctime,
        modified=stat.st_mtime,
        hash=known.hashes.known(path, stat),
        note=known.notes.get(id) or Note(),
    )
