"""What a worker must know; it crosses to another process."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from server.config import Compute, Config
from server.pack_limits import LimitsKept
from server.trust import Trust
from server.worker.keeping import Keeping
from server.workspace import Elsewhere


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker must know.

    Attributes:
        metadata: whether saved files carry what made them.
        preview_method: see `Config`.
        guarded: whether packs are held to what they may do; it holds for the thread that builds the worker and its own.
        limits: what a person said of packs.
        routes: the server's own.
        alone: the pack that has the process to itself; empty for a worker.
        closed: a folder that such a pack does not even read.
    """

    workspace: Path
    packs: tuple[Path, ...] = ()
    keeping: Keeping = field(default_factory=Keeping)
    metadata: bool = True
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    only_packs: frozenset[str] | None = None
    compute: Compute = field(default_factory=Compute)
    preview_method: str = "auto"
    trust: Trust = field(default_factory=Trust)
    guarded: bool = False
    limits: LimitsKept = field(default_factory=LimitsKept)
    routes: tuple[str, ...] = ()
    alone: str = ""
    closed: Path | None = None

    @property
    def options(self) -> dict[str, bool]:
        """Options of the start that packs ask for, by the field's names."""
        compute = self.compute
        return {
            "cpu": compute.cpu,
            "deterministic": compute.deterministic,
            "disable_metadata": not self.metadata,
            "disable_pinned_memory": not compute.pinned,
            **{mode: compute.mode == mode for mode in ("highvram", "lowvram", "novram")},
        }


def worker_settings(config: Config, routes: tuple[str, ...]) -> WorkerSettings:
    """Of the server's settings, those that a worker must know."""
    return WorkerSettings(
        workspace=config.workspace,
        packs=config.packs,
        keeping=config.keeping,
        metadata=config.metadata,
        elsewhere=config.elsewhere,
        only_packs=config.only_packs,
        compute=config.compute,
        preview_method=config.preview_method,
        trust=config.trust,
        guarded=config.backend == "process" and config.guarded,
        limits=config.limits,
        routes=routes,
    )


def alone(settings: WorkerSettings, pack: str) -> WorkerSettings:
    """For the process of one pack: it has a folder of user data of its own, and does not read that of the others."""
    user = settings.elsewhere.user or settings.workspace / "user"
    return replace(
        settings,
        alone=pack,
        closed=user,
        only_packs=frozenset({pack}),
        elsewhere=replace(settings.elsewhere, user=user / "apart" / pack),
        trust=Trust(everything=True),  # whoever starts it has asked
    )
