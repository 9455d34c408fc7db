"""Settings of a server, from the command line and the environment; seen by app.py and cli.py alone."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nodes.spec import Json
from server.pack_limits import LimitsKept
from server.trust import Trust
from server.worker.keeping import Keeping
from server.workspace import Elsewhere

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1024 * 1024
STARTER = "weft-starter-v0"
SHIPPED = {  # what comes along, by folder key
    "checkpoints": STARTER,
    "loras": "weft-starter-ink.safetensors",
    "controlnet": "weft-starter-edges",
}


def default_workspace(environment: Mapping[str, str] = os.environ) -> Path:
    """`WEFT_WORKSPACE`, else `weft` in the person's home."""
    named = environment.get("WEFT_WORKSPACE")
    return Path(named).expanduser() if named else Path.home() / "weft"


def checkout_packs(root: Path = ROOT) -> tuple[Path, ...]:
    """The top-level `custom_nodes/` when Weft runs from a checkout; nothing when it is installed."""
    folder = root / "custom_nodes"
    return (folder,) if (root / "pyproject.toml").is_file() and folder.is_dir() else ()


def web_folder(root: Path = ROOT) -> Path | None:
    """Where the built editor lies: inside a wheel, or in a checkout's `web/dist`; None if it was never built."""
    for folder in (root / "server" / "_web", root / "web" / "dist"):
        if (folder / "index.html").is_file():
            return folder
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """How a worker computes; None leaves it to the worker.

    Attributes:
        cpu: on the processor, even where there is a card.
        visible: ids of the cards that the worker sees, as in CUDA_VISIBLE_DEVICES; card: which of them it uses.
        network_dtype, vae_dtype, text_dtype: names such as "float16".
        reserve: bytes of the card's memory that are left to others.
        deterministic: only kernels that repeat to the bit.
        memory: bytes of main memory that the worker may hold; beyond them it is ended.
        budget: bytes of the device for weights and computing. waiting: of main memory, for weights that wait there.
        reading: of files that are read before they are asked for.
        mode: how eagerly weights leave the device: "auto", "highvram", "lowvram", "novram".
        pinned: whether main memory may be locked, from where a card fetches weights while it computes.
        stored: in which type networks keep their large weights ("float8_e4m3fn"), where nodes do not say.
    """

    cpu: bool = False
    visible: str | None = None
    card: int | None = None
    network_dtype: str | None = None
    vae_dtype: str | None = None
    text_dtype: str | None = None
    reserve: int | None = None
    memory: int | None = None
    deterministic: bool = False
    budget: int | None = None
    waiting: int | None = None
    reading: int | None = None
    mode: str = "auto"
    pinned: bool = True
    stored: str | None = None

    @property
    def types(self) -> dict[str, str | None]:
        """Names of types, by the field of `nodes.diffusion.models.load.Placement` that they are for."""
        asked = {"dtype": self.network_dtype, "stored": self.stored}
        return {**asked, "vae_dtype": self.vae_dtype, "text_dtype": self.text_dtype}

    @property
    def wishes(self) -> tuple[int | None, int | None, int | None, int | None, str, bool]:
        """What a person asks of memory, as `nodes.diffusion.choosing.Wishes` takes it."""
        return self.budget, self.waiting, self.reading, self.reserve, self.mode, self.pinned


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a certificate and of its key, both in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """How to serve.

    Attributes:
        hosts, port: where to listen; port 0 takes a free one.
        workspace: the folder of models, pictures and settings.
        elsewhere: what of it lies outside.
        packs: further folders of community packs, beside the workspace's own `custom_nodes/`.
        only_packs: names of the packs that are loaded; None for all.
        trust: whose code may run. limits: what a person said of packs.
        guarded: whether packs are held to what they may do.
        compute: how the worker computes.
        allow_hosts: names by which others may reach this server, beside its address and the loopback names.
        backend: where nodes run: "process" or "thread".
        max_upload: bytes of one uploaded file. max_body: bytes of any other request.
        metadata: whether saved files carry what made them: the prompt, the workflow, the record.
        database_pages: how large the database may grow, in pages of 4096 bytes; None for as large as the disk.
        factory: names the function that furnishes a worker, as "module:function".
        keeping: which results of finished nodes are kept, in memory and on disk.
        web: the built editor; None if there is none.
        multi_user: several people work here, each with their own files and settings.
        tls: with it, https is served.
        token: whether to ask for a token; None: if others can reach the server.
        cors: origin of pages that may use the server beside ours; "*" for all.
        downloads: whether models are brought when people ask. download_from: more sites than those known.
        compress: gzip answers for who takes them so.
        previews: whether jobs that do not say themselves send previews; None: to clients that understand them.
        preview_method: how they are made: "auto", "latent2rgb" (a linear map) or "taesd" (a small decoder).
        features: more of what the server says that it understands.
    """

    hosts: tuple[str, ...] = ("127.0.0.1",)
    port: int = 8188
    workspace: Path
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    packs: tuple[Path, ...] = ()
    only_packs: frozenset[str] | None = None
    trust: Trust = field(default_factory=Trust)
    limits: LimitsKept = field(default_factory=LimitsKept)
    guarded: bool = True
    compute: Compute = field(default_factory=Compute)
    allow_hosts: tuple[str, ...] = ()
    backend: str = "process"
    max_upload: int = 100 * MEGABYTE
    max_body: int = 32 * MEGABYTE
    metadata: bool = True
    database_pages: int | None = None
    factory: str = "server.app:build_worker"
    keeping: Keeping = field(default_factory=Keeping)
    web: Path | None = field(default_factory=web_folder)
    multi_user: bool = False
    tls: Tls | None = None
    token: bool | None = None
    cors: str | None = None
    compress: bool = False
    downloads: bool = True
    download_from: tuple[str, ...] = ()
    previews: bool | None = None
    preview_method: str = "auto"
    features: Mapping[str, Json] = field(default_factory=dict[str, Json])

    @property
    def asks_token(self) -> bool:
        """Whether a token must be shown: beyond this machine always, unless a person said otherwise."""
        return self.token if self.token is not None else not all(is_loopback(host) for host in self.hosts)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
