"""How a pack fared, from the room of packs to whoever asks."""

from typing import Any

from server.graph.outcome import Failure
from server.worker.parts import PackReport

UNTRUSTED = "Untrusted"  # the kind of a failure of a pack that nobody trusts yet


def report_of(pack: Any) -> PackReport:
    """The report of a pack that was loaded, or was not.

    Args:
        pack: a `Loaded` of `nodes.compat`, which the server knows by its fields alone.
    """
    fault = Failure(pack.message, pack.hint, pack.kind, pack.traceback) if pack.message else None
    return PackReport(
        pack.name,
        str(pack.path),
        pack.ok,
        pack.seconds,
        pack.nodes,
        fault,
        pack.web_directory,
        trusted=pack.kind != UNTRUSTED,
        version=pack.said.version,
        missing=pack.said.missing,
        conflicts=pack.said.conflicts,
        names=pack.said.names,
        deeds=pack.deeds,
        apart=pack.limits.apart,
        network=pack.limits.network,
        writes=tuple(map(str, pack.limits.writes)),
        unenforced=pack.unenforced,
        more_web=pack.more_web,
        edited=pack.edited,
    )
