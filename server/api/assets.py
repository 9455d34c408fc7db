"""Files of the workspace as assets: pictures of input and output, models by kind, with tags that say where they lie.

A local server's files are its assets: nothing is copied, moved or kept beside them. An asset's id is made of its place, so
it stays the same from start to start; its tags are its place ("output", "models") and the folders in it.
"""

import mimetypes
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from nodes.spec import Place
from server.api.listings import AssetJson, TagJson
from server.workspace import Workspace

NAMESPACE = uuid.UUID("7b0bd6de-6ad0-4d3c-9d0a-0f4f8c1f6a55")  # any will do, as long as it stays
SHOWN_PLACES = (Place.INPUT, Place.OUTPUT)  # temp is gone with the next start
MODELS = "models"
ORDERS = ("created_at", "updated_at", "name", "size")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: `name` with / between folders, below the place or the kind of models that `root` names."""

    id: str
    name: str
    path: Path
    place: Place | None
    tags: tuple[str, ...]
    size: int
    created: float  # seconds since 1970
    modified: float


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


def assets(workspace: Workspace) -> Iterator[Asset]:
    """All assets. Slow where there are many: not for the event loop."""
    for place in SHOWN_PLACES:
        root = workspace.place(place)
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root)
            inside = path.resolve().is_relative_to(root.resolve())
            if path.is_file() and inside and not any(part.startswith(".") for part in name.parts):
                yield asset_in(workspace, place, path)
    for key, roots in workspace.folders().items():
        for name in workspace.choices(key):
            path = next((root / name for root in roots if (root / name).is_file()), None)
            if path is not None:
                yield _asset(path, name, (MODELS, key), None)


def asset_in(workspace: Workspace, place: Place, path: Path) -> Asset:
    """The asset that a file of a place is."""
    return _asset(path, path.relative_to(workspace.place(place)).as_posix(), (place.value,), place)


def search(found: Iterable[Asset], wanted: Wanted) -> tuple[Sequence[Asset], int]:
    """A page of those wanted, and how many there are in all."""
    kept = [
        asset
        for asset in found
        if set(wanted.include) <= set(asset.tags)
        and not set(wanted.exclude) & set(asset.tags)
        and wanted.text.lower() in asset.name.lower()
    ]
    keys = {
        "name": lambda asset: asset.name.lower(),
        "size": lambda asset: asset.size,
        "updated_at": lambda asset: asset.modified,
    }
    kept.sort(key=keys.get(wanted.sort, lambda asset: asset.created), reverse=not wanted.ascending)
    return kept[wanted.offset : wanted.offset + wanted.limit], len(kept)


def tags(found: Iterable[Asset]) -> list[TagJson]:
    """All tags, the most used first, with how many assets have each."""
    counted = Counter(tag for asset in found for tag in asset.tags)
    return [{"name": name, "type": "system", "count": count} for name, count in counted.most_common()]


def asset_json(asset: Asset) -> AssetJson:
    """An asset as clients know it. No hash: reading all models for one would take hours."""
    return {
        "id": asset.id,
        "name": asset.name,
        "hash": None,
        "size": asset.size,
        "mime_type": mime_type(asset.path),
        "tags": list(asset.tags),
        "preview_url": preview_url(asset.path, asset.name, asset.place) if asset.place else None,
        "created_at": moment(asset.created),
        "updated_at": moment(asset.modified),
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


def _asset(path: Path, name: str, where: tuple[str, ...], place: Place | None) -> Asset:
    stat = path.stat()
    folders = tuple(name.split("/")[:-1])
    return Asset(
        id=str(uuid.uuid5(NAMESPACE, "/".join((*where, name)))),
        name=name,
        path=path,
        place=place,
        tags=tuple(dict.fromkeys((*where, *folders))),
        size=stat.st_size,
        created=stat.st_ctime,
        modified=stat.st_mtime,
    )
