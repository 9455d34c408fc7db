"""What packs do before anything else: their prestartup scripts run while torch is not imported, as on the field's hosts.

A script may import the names of a host; those that need torch bring it along.
"""

import importlib
import importlib.util
import logging
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from nodes.compat import names
from nodes.compat.importing import find, run_prestartup, within
from nodes.compat.names import NOT_ALIASED, folder_paths
from nodes.compat.places import Places

PATIENCE = 30.0  # seconds for one script

log = logging.getLogger("weft.packs")


def prestart(
    places: Places,
    announce: Callable[[str], None],
    skip: Mapping[str, str],
    only: Collection[str] | None = None,
    *,
    trusted: Callable[[Path], bool] = lambda _path: True,
    patience: float = PATIENCE,
    apart: Collection[str] = (),
) -> None:
    """Run the prestartup script of every pack that has one. One that fails or hangs is named in the log.

    Args:
        announce: told the name of each pack before its script runs.
        skip: packs not to touch. only: the packs to touch; None for all.
        trusted: whether a person lets a pack's code run.
        apart: packs that run in processes of their own.
    """
    folder_paths.configure(places)
    with _names_of_a_host():
        for path in find(places.packs):
            wanted = path.name not in skip and path.name not in apart and (only is None or path.name in only)
            if path.is_dir() and wanted and trusted(path):
                announce(path.name)
                try:
                    within(patience, lambda path=path: run_prestartup(path))
                except BaseException:
                    log.warning("The prestartup script of %s failed.", path.name, exc_info=True)


@contextmanager
def _names_of_a_host() -> Iterator[None]:
    finder = _Names()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Names(MetaPathFinder):
    """Finds `folder_paths` and the like where they lie, each when it is first asked for."""

    def __init__(self) -> None:
        self._tops = {entry.name for entry in pkgutil.iter_modules(names.__path__)} - NOT_ALIASED

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the form of all finders
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._tops:
            return None
        found = importlib.util.find_spec(f"{names.__name__}.{fullname}")
        return (
            None
            if found is None
            else ModuleSpec(fullname, _Alias(), is_package=bool(found.submodule_search_locations))
        )


class _Alias(Loader):
    """A module under a second name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"{names.__name__}.{spec.name}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It was executed under its first name, by which it knows itself."""
        spec = module.__spec__
        if spec is not None:
            module.__spec__ = spec.loader_state
