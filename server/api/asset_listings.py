"""The shapes of lists of assets: files of the workspace with their tags, and those that a job made."""

from typing import Literal, TypedDict

from server.api.answers import Object


class AssetJson(TypedDict):
    """A file of the workspace; times in ISO 8601, size in bytes.

    `hash` is `sha256:` and 64 digits, null while nobody asked for it; `user_metadata` holds the file's name as `filename`.
    """

    id: str
    name: str
    hash: str | None
    size: int
    mime_type: str
    tags: list[str]
    preview_url: str | None
    created_at: str
    updated_at: str
    user_metadata: Object


class NewAssetJson(AssetJson):
    """An asset that was uploaded; `created_new`: nothing of the same content stood there before."""

    created_new: bool


class TagsAddedJson(TypedDict):
    """What became of tags that were to be added, and all that the asset has now."""

    added: list[str]
    already_present: list[str]
    total_tags: list[str]


class TagsRemovedJson(TypedDict):
    """What became of tags that were to be removed, and all that the asset has now."""

    removed: list[str]
    not_present: list[str]
    total_tags: list[str]


class SeedJson(TypedDict):
    """How the hashing of files goes: which roots, how many files there are and how many were hashed."""

    status: Literal["idle", "running", "completed", "cancelled"]
    roots: list[str]
    total: int
    hashed: int


class AssetsJson(TypedDict):
    """A page of assets."""

    assets: list[AssetJson]
    total: int
    has_more: bool


class TagJson(TypedDict):
    """A tag, and how many assets have it."""

    name: str
    type: str
    count: int


class TagsJson(TypedDict):
    """A page of tags."""

    tags: list[TagJson]
    total: int
    has_more: bool


class JobAssetJson(TypedDict):
    """A file that a job made: where on which node, beside what an asset says."""

    id: str
    name: str
    hash: str | None
    size: int
    mime_type: str
    preview_url: str | None
    created_at: str
    node_id: str
    output_key: str
    output_index: int


class JobAssetsJson(TypedDict):
    """The files that a job made."""

    job_id: str
    assets: list[JobAssetJson]
    pagination: Object
