"""The shapes of what people look for: models and what is being brought, pictures that were made."""

from typing import Literal, TypedDict


class KnownModelJson(TypedDict):
    """A model of a folder key, and what its header tells.

    Size in bytes, times in seconds since 1970; `root` counts the folders of its kind (null: it came along);
    `words` call what it learned; `sha256` is null until it was computed.
    """

    folder: str
    name: str
    size: int
    modified: float
    shipped: bool
    family: str | None
    words: list[str]
    title: str | None
    about: str | None
    sha256: str | None
    root: int | None


class ModelHashJson(TypedDict):
    """The hash of a model's content, 64 hexadecimal digits."""

    sha256: str


class DownloadJson(TypedDict):
    """A model on its way: bytes that came and all (null until the site says), and why it failed."""

    id: str
    url: str
    folder: str
    name: str
    state: Literal["running", "done", "failed", "cancelled"]
    got: int
    size: int | None
    words: str


class DownloadsJson(TypedDict):
    """All downloads of this life of the server, and the sites that may be asked."""

    sites: list[str]
    downloads: list[DownloadJson]


class PictureJson(TypedDict):
    """A picture that a job made, and of what; `made` in ms since 1970; temporary ones are no assets."""

    job: str
    node: str
    file: dict[str, str]
    made: int
    name: str
    prompts: list[str]
    models: list[str]
    seeds: list[str]
    asset: str | None
    favourite: bool


class PicturesJson(TypedDict):
    """A page of pictures, the newest first."""

    pictures: list[PictureJson]
    has_more: bool
