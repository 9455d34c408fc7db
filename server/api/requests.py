"""The shapes of what clients send, as `/openapi.json` tells them; `wire.py` reads them.

Numbers and flags of a query are text on the way; `Yes` is what counts as set.
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from nodes.spec import Json
from server.api.answers import Object

Yes: TypeAlias = Literal["true", "false", "1", "0", "yes", "no", "True", "False", ""]
PlaceName: TypeAlias = Literal["input", "output", "temp"]


class PromptBody(TypedDict):
    """A prompt to run: nodes by id, each `{class_type, inputs}`; or a workflow as the canvas saves it."""

    prompt: dict[str, Json]
    prompt_id: NotRequired[str]
    client_id: NotRequired[str | None]
    extra_data: NotRequired[Object | None]
    number: NotRequired[float | None]
    front: NotRequired[bool | None]
    partial_execution_targets: NotRequired[list[str | int] | None]


class PlanBody(TypedDict):
    """A prompt to plan for; or a workflow as the canvas saves it."""

    prompt: dict[str, Json]


class LimitsBody(TypedDict):
    """What a pack may do: `apart` in a process of its own, use the network, write these folders too (whole paths)."""

    apart: bool
    network: bool
    writes: list[str]


class ScriptsBody(TypedDict):
    """How a pack's scripts fared in a browser."""

    loaded: int
    failures: list[str]
    unsupported: list[str]


class RemovalBody(TypedDict, total=False):
    """What to forget: all, or some by id."""

    clear: bool | None
    delete: list[str | int] | None


class ModelBody(TypedDict):
    """A model: its folder key and its name there."""

    folder: str
    name: str


class DownloadBody(ModelBody):
    """What to bring from where; `sha256` is what its content must have."""

    url: str
    sha256: NotRequired[str | None]


class InterruptBody(TypedDict, total=False):
    """The only job to stop; any that runs if it is not named."""

    prompt_id: str | None


class FreeBody(TypedDict, total=False):
    """What to let go of: loaded models, or these and all kept results."""

    unload_models: bool | None
    free_memory: bool | None


class JobIdsBody(TypedDict, total=False):
    """Jobs by id, or all."""

    job_ids: list[str | int] | None
    all: bool | None


class RetryBody(JobIdsBody, total=False):
    """Which finished jobs to queue once more, and who is told how they go; None for who was told before."""

    client_id: str | None


class GoalBody(TypedDict, total=False):
    """Where to move jobs: one of these."""

    to: Literal["front", "back"] | None
    before: str | None
    after: str | None


class MoveBody(GoalBody, total=False):
    """Which jobs to move, and where to."""

    job_ids: list[str | int] | None


class RetryOneBody(TypedDict, total=False):
    """Who is told how the job goes; None for who was told before."""

    client_id: str | None


class HistoryQuery(TypedDict, total=False):
    """Which finished jobs: the last `max_items`, or so many from `offset` on."""

    max_items: int
    offset: int


class JobsQuery(TypedDict, total=False):
    """Which jobs; `status` names states, by comma."""

    status: str
    workflow_id: str
    sort_by: Literal["created_at", "execution_duration"]
    sort_order: Literal["asc", "desc"]
    limit: int
    offset: int


class PageQuery(TypedDict, total=False):
    """A page of a list."""

    limit: int
    offset: int


class PicturesQuery(PageQuery, total=False):
    """Which pictures: with all words of a text in prompt, models, seeds or names; only favourites."""

    text: str
    favourites: Yes


class SocketQuery(TypedDict, total=False):
    """Who listens."""

    clientId: str


class PlacedQuery(TypedDict):
    """Which file of input, output or temp."""

    filename: str
    subfolder: NotRequired[str]
    type: NotRequired[PlaceName]


class ViewQuery(PlacedQuery):
    """Which file; a picture also smaller (`webp;90`, `jpeg;80`) or in part."""

    preview: NotRequired[str]
    channel: NotRequired[Literal["rgb", "rgba", "a"]]
    rand: NotRequired[str]


class UploadForm(TypedDict):
    """A file for a place; without `overwrite`, one of the same name stays and the new one gets a number."""

    image: bytes
    type: NotRequired[PlaceName]
    subfolder: NotRequired[str]
    overwrite: NotRequired[Yes]


class MaskForm(UploadForm):
    """A mask; `original_ref` names its picture in JSON: filename, subfolder, type."""

    original_ref: str


class FileQuery(TypedDict):
    """Which file of a folder."""

    filename: str


class UserBody(TypedDict):
    """A person to know."""

    username: str


class FolderQuery(TypedDict):
    """Which folder of the person's files, and how much to say of each."""

    dir: str
    recurse: NotRequired[Yes]
    full_info: NotRequired[Yes]
    split: NotRequired[Yes]


class PathQuery(TypedDict, total=False):
    """Which folder; the top one if it is missing."""

    path: str


class WriteQuery(TypedDict, total=False):
    """Whether to take another file's place, and how much to say of the new one."""

    overwrite: Yes
    full_info: Yes


class EditionsQuery(TypedDict):
    """A person's file, such as `workflows/cat.json`."""

    file: str


class DrawingQuery(TypedDict, total=False):
    """On what page a drawing is shown."""

    theme: Literal["dark", "light"]


class SubscribeBody(TypedDict, total=False):
    """Whether the websocket of this client hears the log."""

    enabled: bool | None
    clientId: str | None


class AssetsQuery(TypedDict, total=False):
    """Which files: with all of `include_tags` and none of `exclude_tags` (by comma), with a text in the name."""

    include_tags: str
    exclude_tags: str
    name_contains: str
    sort: Literal["name", "created_at", "updated_at", "size"]
    order: Literal["asc", "desc"]
    limit: int
    offset: int


class TagsQuery(TypedDict, total=False):
    """Which tags: those that begin so."""

    prefix: str
    limit: int
    offset: int


class AssetForm(TypedDict):
    """A file, or the `hash` of content that is here. Tags, by comma, repeated or as JSON: root, a model's kind, more."""

    file: NotRequired[bytes]
    tags: str
    name: NotRequired[str]
    hash: NotRequired[str]
    user_metadata: NotRequired[str]


class NewAssetBody(TypedDict):
    """Content that is here, and where it belongs: the first tag names the root, for models the next one the kind."""

    hash: str
    tags: list[str]
    name: NotRequired[str | None]
    user_metadata: NotRequired[Object | None]


class AssetBody(TypedDict, total=False):
    """What to say of an asset from now on; what is missing stays as it is."""

    name: str | None
    tags: list[str] | None
    user_metadata: Object | None


class TagsBody(TypedDict):
    """Tags, without commas."""

    tags: list[str]


class DeleteAssetQuery(TypedDict, total=False):
    """Whether the file goes too, which it does if nothing is said."""

    delete_content: Yes


class SeedBody(TypedDict, total=False):
    """Which files to hash; all if it does not say."""

    roots: list[Literal["models", "input", "output"]] | None


class SeedQuery(TypedDict, total=False):
    """Whether to answer only when all is hashed."""

    wait: Yes
