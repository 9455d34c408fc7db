"""What packs expect of a module called `nodes`."""

from typing import Any

from nodes.compat import current

__all__ = [
    "EXTENSION_WEB_DIRS",
    "MAX_RESOLUTION",
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "before_node_execution",
]

MAX_RESOLUTION = 16384
NODE_CLASS_MAPPINGS: dict[str, Any] = {}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {}
EXTENSION_WEB_DIRS: dict[str, str] = {}


def before_node_execution():
    """A place where Stop is answered."""
    current.check_stop()
