"""Make the names that packs import findable: `import folder_paths`, `from comfy.utils import ProgressBar`, `import nodes`.

The modules lie in `nodes/compat/names/` under the names packs use. `nodes` and `server` are our own packages too; for
`nodes`, what packs expect is set on it as attributes. Our own code never uses any of this.
"""

import importlib
import pkgutil
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import nodes as own_nodes
from nodes.compat import names
from nodes.compat.names import folder_paths, nodes_face
from nodes.compat.places import Places

NOT_ALIASED = frozenset({"nodes_face"})


def install(places: Places) -> None:
    """Set the names up; done again, it starts anew."""
    folder_paths.configure(places)
    prefix = f"{names.__name__}."
    for found in pkgutil.walk_packages(names.__path__, prefix):
        face = found.name.removeprefix(prefix)
        if face not in NOT_ALIASED:
            sys.modules[face] = importlib.import_module(found.name)
    for name in nodes_face.__all__:
        setattr(own_nodes, name, getattr(nodes_face, name))
    if "custom_nodes" not in sys.modules:
        package = ModuleType("custom_nodes")
        package.__path__ = [str(folder) for folder in places.packs]
        sys.modules["custom_nodes"] = package


def share(classes: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """Let packs see each other's classes, as `nodes.NODE_CLASS_MAPPINGS`."""
    nodes_face.NODE_CLASS_MAPPINGS.update(classes)
    nodes_face.NODE_DISPLAY_NAME_MAPPINGS.update(titles)
