"""The versions of Weft and of what it stands on."""

import contextlib
import importlib.metadata
from collections.abc import Mapping

# The version of the field's server whose protocol this one speaks; clients ask for it.
SPEAKS = "0.8.0"


def versions() -> Mapping[str, str]:
    """Of Weft and what it stands on, without importing any of it."""
    found = {"comfyui": SPEAKS, "weft": "0", "torch": ""}
    for name in ("weft", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
