"""Imports point down: the numbered rules of pyproject.toml hold, and no module imports itself by a detour."""

from graphlib import TopologicalSorter

import grimp

from tests.architecture.tools import complaints

LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"


def test_the_import_rules_hold():
    assert complaints("-c", LINT_IMPORTS) == ""


def test_no_module_imports_itself_through_others():
    graph = grimp.build_graph("server", "nodes", cache_dir=None)
    # A package's own face (`__init__`) names its parts; that they find it loaded is Python's order, no circle.
    imports = {module: graph.find_modules_directly_imported_by(module) - {module} for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle
