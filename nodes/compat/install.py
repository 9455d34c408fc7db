"""Make the names that packs import findable: `import folder_paths`, `from comfy.utils import ProgressBar`, `import nodes`.

The modules lie in `nodes/compat/names/` under the names packs use. `nodes` and `server` are our own packages too: what
packs expect is set on them as attributes. Our own code never uses any of this.
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import nodes as own_nodes
from nodes.compat import names, standing
from nodes.compat.built_in import Lister, class_of
from nodes.compat.built_in_methods import EXTRAS
from nodes.compat.names import NOT_ALIASED, execution, folder_paths, nodes_face, server_face
from nodes.compat.places import Places
from nodes.compat.saving import SAVING
from nodes.compat.surgery.asking import stage
from nodes.diffusion.models.network import LoadedNetwork
from nodes.spec import Json, Node

ROOTS = frozenset(
    {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "comfy_config", "app", "api_server"}
)
# Other names of modules that packs import.
ALIASES = {
    "comfy_api.latest._io": "comfy_api.latest.io",
    "comfy_api.latest._ui": "comfy_api.latest.ui",
    "comfy_api.latest._input": "comfy_api.input",
    "comfy_api.latest._input_impl": "comfy_api.latest.values",
    "comfy_api.latest._util": "comfy_api.latest.values",
    "comfy_api.v0_0_1": "comfy_api.latest",
    "comfy_api.v0_0_2": "comfy_api.latest",
    "comfy_api.input_impl": "comfy_api.latest.values",
    "comfy_api.util": "comfy_api.latest.values",
}


def install(
    places: Places,
    publish: Callable[[str | int, Any, str | None], None],
    wonder: Callable[[str, Sequence[str]], Json],
    options: Mapping[str, bool],
) -> None:
    """Set the names up; done again, it starts anew. `publish`: see `PromptServer`; `wonder`: see `PromptQueue`.

    `options` of the start, by the field's names.
    """
    folder_paths.configure(places)
    server_face.PromptServer(publish, execution.PromptQueue(wonder))
    install_names()
    importlib.import_module("comfy.cli_args").configure(options)
    for own, face in ((own_nodes, nodes_face), (importlib.import_module("server"), server_face)):
        for name in face.__all__:
            setattr(own, name, getattr(face, name))
    if "custom_nodes" not in sys.modules:
        package = ModuleType("custom_nodes")
        package.__path__ = [str(folder) for folder in places.packs]
        sys.modules["custom_nodes"] = package


def install_names() -> None:
    """Every module that packs import, by its name, with stand-ins for what is not offered."""
    LoadedNetwork.stage = stage
    prefix = f"{names.__name__}."
    for found in pkgutil.walk_packages(names.__path__, prefix):
        face = found.name.removeprefix(prefix)
        if face in NOT_ALIASED:
            continue
        module = importlib.import_module(found.name)
        standing.complete(face, module)
        standing.open_up(face, module)
        sys.modules[face] = module
    for alias, name in ALIASES.items():
        sys.modules[alias] = sys.modules[name]
    for name, module in standing.modules():
        sys.modules[name] = module
    if not any(isinstance(finder, standing.Finder) for finder in sys.meta_path):
        sys.meta_path.append(standing.Finder())
    for name, module in tuple(sys.modules.items()):
        parent, _, last = name.rpartition(".")
        if parent and name.split(".")[0] in ROOTS and parent in sys.modules:
            setattr(sys.modules[parent], last, module)


def install_classes(built_in: Iterable[Node], choices: Lister | None = None) -> None:
    """Built-in nodes as classes: of `nodes`, of its table, and of the modules where the field has them.

    `choices` lists what combos offer of a folder key; None: its files.
    """
    lister = choices or folder_paths.get_filename_list
    newer = {each.rpartition("=")[2] for listed in EXTRAS.values() for each in listed.split()}
    classes = {node.spec.id: class_of(node, lister, newer=node.spec.id in newer) for node in built_in}
    classes |= {name: made for name, made in SAVING.items() if name in classes}
    nodes_face.NODE_CLASS_MAPPINGS.update(classes)
    for name, made in classes.items():
        if name.isidentifier() and not hasattr(own_nodes, name):
            setattr(own_nodes, name, made)
    for name, listed in EXTRAS.items():
        full = f"comfy_extras.{name}"
        module = sys.modules.setdefault(full, ModuleType(full))
        for each in listed.split():
            called, _, id = each.partition("=")
            setattr(module, called, classes.get(id or called) or standing.stand_in(f"{full}.{called}"))
        setattr(sys.modules["comfy_extras"], name, module)


def share(classes: Mapping[str, Any], titles: Mapping[str, str]) -> None:
    """Let packs see each other's classes, as `nodes.NODE_CLASS_MAPPINGS`."""
    nodes_face.NODE_CLASS_MAPPINGS.update(classes)
    nodes_face.NODE_DISPLAY_NAME_MAPPINGS.update(titles)


def unshare(id: str) -> None:
    """A pack has this class no more."""
    nodes_face.NODE_CLASS_MAPPINGS.pop(id, None)
    nodes_face.NODE_DISPLAY_NAME_MAPPINGS.pop(id, None)
