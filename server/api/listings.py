"""The shapes of lists: the machine, people and their files, models, what packs bring."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

from nodes.spec import Json
from server.api.answers import FaultJson, NodeFaultsJson, Object


class NodeJson(TypedDict):
    """A node: its inputs by section, each `[type, options]`, and its outputs; more by the node's own word."""

    input: Mapping[str, Mapping[str, Json]]
    input_order: dict[str, list[str]]
    is_input_list: bool
    output: list[Json]
    output_is_list: list[bool]
    output_name: list[str]
    output_tooltips: NotRequired[list[str]]
    name: str
    display_name: str
    description: str
    python_module: str
    category: str
    output_node: bool
    has_intermediate_output: bool
    search_aliases: list[str]
    essentials_category: NotRequired[str]
    deprecated: NotRequired[bool]
    experimental: NotRequired[bool]
    dev_only: NotRequired[bool]
    api_node: NotRequired[bool]


class DeviceJson(TypedDict):
    """A device and its memory in bytes."""

    name: str
    type: str
    index: int | None
    vram_total: int
    vram_free: int
    torch_vram_total: int
    torch_vram_free: int


class MachineJson(TypedDict):
    """The machine (memory in bytes) and what the server stands on."""

    os: str
    ram_total: int
    ram_free: int
    comfyui_version: str
    weft_version: str
    python_version: str
    pytorch_version: Json
    embedded_python: bool
    argv: list[str]
    machine: str


class SystemJson(TypedDict):
    """The machine and its devices; none are named while the worker starts."""

    system: MachineJson
    devices: list[DeviceJson]


class ScriptsJson(TypedDict):
    """What became of a pack's scripts in the last browser that told."""

    loaded: int
    failures: list[str]
    unsupported: list[str]


class PackJson(TypedDict):
    """How a pack fared at load."""

    name: str
    path: str
    ok: bool
    seconds: float
    nodes: list[str]
    error: Object | None
    trusted: bool
    version: str
    missing: list[str]
    conflicts: list[str]
    names: list[str]
    deeds: dict[str, list[str]]
    scripts: ScriptsJson | None
    apart: bool
    network: bool
    writes: list[str]
    unenforced: list[str]
    edited: bool


class ReloadJson(TypedDict):
    """Whether packs are being loaded anew; else that takes a start of Weft."""

    restarting: bool


class LimitsJson(TypedDict):
    """What a pack may do, and whether packs are being loaded anew."""

    name: str
    apart: bool
    network: bool
    writes: list[str]
    restarting: bool


class TrustJson(TypedDict):
    """Whether a pack's code may run, and whether packs are being loaded anew."""

    name: str
    trusted: bool
    restarting: bool


class NodePlanJson(TypedDict):
    """What a node will need of the device, in bytes; `measured`: computing is from shapes, not by a rule of thumb."""

    weights: int
    computing: int
    measured: bool
    peak: int
    offloaded: int
    fits: bool
    words: str


class PlanJson(TypedDict):
    """The memory plan of a prompt; `device`: bytes that may be used, null if unknown; `faults` by node."""

    verdict: Literal["fits", "offloads", "cannot", "unknown"]
    words: str
    device: int | None
    peak: int
    offloaded: int
    nodes: dict[str, NodePlanJson]
    faults: dict[str, str]


class ServerJson(TypedDict):
    """Whether nodes can run yet, and what waits."""

    version: str
    ready: bool
    queue_remaining: int
    running: str | None
    workspace: str


class UsersJson(TypedDict):
    """Where people's data lies; with several people, their names by id."""

    storage: Literal["server"]
    migrated: NotRequired[bool]
    users: NotRequired[dict[str, str]]


class UserFileJson(TypedDict):
    """A file of a person; times in seconds since 1970."""

    path: str
    size: int
    modified: float
    created: float


class EntryJson(TypedDict):
    """A file or folder of a person."""

    name: str
    path: str
    type: Literal["file", "directory"]
    size: NotRequired[int]
    modified: NotRequired[float]


class VersionJson(TypedDict):
    """One version of a file; `content` is null where it is no text or a long one."""

    etag: str
    size: int
    content: str | None


class EditionJson(TypedDict):
    """A saved state of a workflow: when (seconds since 1970), bytes, nodes of the root graph (null if it is none)."""

    id: int
    saved: float
    size: int
    nodes: int | None
    etag: str


class DeletedFileJson(TypedDict):
    """A workflow that is gone: how many versions are kept, and when the newest was saved (seconds since 1970)."""

    file: str
    versions: int
    saved: float


class ConflictJson(TypedDict):
    """The file is not the one that the client read: here are both, the kept one and the sent one."""

    error: FaultJson
    node_errors: dict[str, NodeFaultsJson]
    current: VersionJson | None
    sent: VersionJson | None


class ModelFolderJson(TypedDict):
    """A kind of models and the folders they lie in."""

    name: str
    folders: list[str]


class ModelJson(TypedDict):
    """A model file; `pathIndex` counts the folders of its kind; times in seconds since 1970, size in bytes."""

    name: str
    pathIndex: int
    modified: float
    created: float
    size: int


class LogLineJson(TypedDict):
    """A line of the log, and when it was written (ISO 8601)."""

    t: str
    m: str


class LogJson(TypedDict):
    """The last lines of the log, and the size of a terminal for them."""

    entries: list[LogLineJson]
    size: dict[str, int]


class SubgraphJson(TypedDict):
    """A graph that can be used as one node; `data` is its workflow JSON as text."""

    source: str
    name: str
    info: Mapping[str, Json]
    data: NotRequired[str]


class ReplacementJson(TypedDict):
    """Which node stands in for one that is gone, and what becomes of its inputs and outputs."""

    new_node_id: str
    old_node_id: str
    old_widget_ids: list[str] | None
    input_mapping: list[Object] | None
    output_mapping: list[Object] | None


class FilmJson(TypedDict):
    """What a film says of itself: size in bytes, duration in seconds; null for what it does not say."""

    filename: str
    format: str
    size: int
    width: int | None
    height: int | None
    duration: float | None
    fps: float | None
    frame_count: int | None
    has_audio: bool


class AboutScheduleJson(TypedDict):
    """A schedule for its readers: what it is for, its rule in lines of plain text, its papers."""

    name: str
    purpose: str
    maths: list[str]
    source: str


class AboutSamplerJson(AboutScheduleJson):
    """A sampler; `calls` of the network it needs a step, None where it chooses; whether it adds noise by itself."""

    calls: int | None
    noise: bool


class WishJson(TypedDict):
    """What people may type, and the samplers or schedules that answer it, the best first."""

    words: list[str]
    names: list[str]


class SamplersJson(TypedDict):
    """What is known of samplers and schedules, in the menus' order."""

    samplers: list[AboutSamplerJson]
    schedules: list[AboutScheduleJson]
    sampler_wishes: list[WishJson]
    schedule_wishes: list[WishJson]
