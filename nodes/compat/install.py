"""Make the names that packs import findable: `import folder_paths`, `from comfy.utils import ProgressBar`, `import nodes`.

The modules lie in `nodes/compat/names/` under the names packs use. `nodes` and `server` are our own packages too: what
packs expect is set on them as attributes. Our own code never uses any of this.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import nodes as own_nodes
from nodes.compat import names
from nodes.compat.names import NOT_ALIASED, execution, folder_paths, nodes_face, server_face
from nodes.compat.places import Places
from nodes.spec import Json


def install(
    places: Places,
    publish: Callable[[str | int, Any, str | None], None],
    wonder: Callable[[str, Sequence[str]], Json],
) -> None:
    """Set the names up; done again, it starts anew. `publish`: see `PromptServer`; `wonder`: see `PromptQueue`."""
    folder_paths.configure(places)
    server_face.PromptServer(publish, execution.PromptQueue(wonder))
    prefix = f"{names.__name__}."
    for found in pkgutil.walk_packages(names.__path__, prefix):
        face = found.name.removeprefix(prefix)
        if face not in NOT_ALIASED:
            sys.modules[face] = importlib.import_module(found.name)
    for own, face in ((own_nodes, nodes_face), (importlib.import_module("server"), server_face)):
        for name in face.__all__:
            setattr(own, name, getattr(face, name))
    if "custom_nodes" not in sys.modules:
        package = ModuleType("custom_nodes")
        package.__path__ = [str(folder) for folder in places.packs]
        sys.modules["custom_nodes"] = package


def share(classes: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """Let packs see each other's classes, as `nodes.NODE_CLASS_MAPPINGS`."""
    nodes_face.NODE_CLASS_MAPPINGS.update(classes)
    nodes_face.NODE_DISPLAY_NAME_MAPPINGS.update(titles)
