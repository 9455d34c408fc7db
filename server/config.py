"""Settings of a server, from the command line and the environment; seen by app.py and cli.py alone."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.worker.keeping import Keeping

ROOT = Path(__file__).resolve().parents[1]
MEGABYTE = 1024 * 1024


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
class Config:
    """How to serve.

    Attributes:
        host, port: where to listen; port 0 takes a free one.
        workspace: the folder of models, pictures and settings.
        packs: further folders of community packs, beside the workspace's own `custom_nodes/`.
        allow_hosts: names by which others may reach this server, beside its address and the loopback names.
        backend: where nodes run: "process" or "thread".
        max_upload: bytes of one uploaded file. max_body: bytes of any other request.
        metadata: whether saved files carry what made them: the prompt, the workflow, the record.
        database_pages: how large the database may grow, in pages of 4096 bytes; None for as large as the disk.
        factory: names the function that furnishes a worker, as "module:function".
        keeping: which results of finished nodes are kept, in memory and on disk.
        web: the built editor; None if there is none.
        multi_user: several people work here, each with their own files and settings.
    """

    host: str = "127.0.0.1"
    port: int = 8188
    workspace: Path
    packs: tuple[Path, ...] = ()
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
