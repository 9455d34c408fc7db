"""What an imported pack brings: its classes and their titles, in either form of the protocol."""

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from nodes.spec import SpecError


async def classes_of(name: str, module: ModuleType) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Classes by id, and titles by id. The first form counts where a pack has both.

    Raises:
        SpecError: it is no pack in a form that Weft reads.
        Exception: whatever the pack raises.
    """
    classes = getattr(module, "NODE_CLASS_MAPPINGS", None)
    if isinstance(classes, Mapping):
        return classes, getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}
    entrypoint = getattr(module, "comfy_entrypoint", None)
    if not callable(entrypoint):
        raise SpecError(
            f"{name} has neither NODE_CLASS_MAPPINGS nor comfy_entrypoint: it is no pack in a form that Weft reads."
        )
    extension: Any = await _awaited(entrypoint())
    if hasattr(extension, "on_load"):
        await _awaited(extension.on_load())
    listed = await _awaited(extension.get_node_list())
    found = {_id(node_class): node_class for node_class in listed}
    return found, {id: title for id, node_class in found.items() if (title := _title(node_class))}


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _id(node_class: Any) -> str:
    """A class whose schema is broken goes by its own name: it is reported when it is described."""
    try:
        return str(node_class.SCHEMA_ONCE().node_id)
    except Exception:  # noqa: BLE001 - a pack's code may raise anything
        return getattr(node_class, "__name__", repr(node_class))


def _title(node_class: Any) -> str:
    try:
        return str(node_class.SCHEMA_ONCE().display_name or "")
    except Exception:  # noqa: BLE001 - as above
        return ""
