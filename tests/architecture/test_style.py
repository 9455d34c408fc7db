"""What STYLE asks of every module and ruff cannot say."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tools import PROJECT

ROOMS = ("server", "nodes")
MODULE_LINES = 400
FUNCTION_LINES = 60  # of code: without its docstring


def modules() -> list[Path]:
    """Our own modules. Names that packs import (nodes/compat/names) follow the packs' shapes, not our style."""
    found = (path for room in ROOMS for path in (PROJECT / room).rglob("*.py"))
    return sorted(path for path in found if "names" not in path.relative_to(PROJECT).parts)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of code of every function in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = (
                node.body[1] if ast.get_docstring(node) is not None and len(node.body) > 1 else node.body[0]
            )
            yield node.name, (node.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_a_module_says_what_it_is_for_and_holds_one_subject(path: Path):
    source = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(source)) or not source.strip(), (
        "the first line says what the module is for"
    )
    assert source.count("\n") <= MODULE_LINES, "look for the second subject"
    long = {name: lines for name, lines in functions(path) if lines > FUNCTION_LINES}
    assert not long, "look for the second subject"


@pytest.mark.parametrize(
    "room",
    [
        "server",
        "server/api",
        "server/backends",
        "server/graph",
        "server/jobs",
        "server/worker",
        "nodes",
        "nodes/builtin",
        "nodes/compat",
        "nodes/diffusion",
        "nodes/spec",
        "nodes/starter",
        "web",
        "tests",
        "tests/architecture",
        "tests/bench",
        "custom_nodes",
    ],
)
def test_a_room_says_what_is_in_it(room: str):
    readme = PROJECT / room / "README.md"
    assert readme.is_file(), f"{room} needs a short README.md"
    assert len(readme.read_text(encoding="utf-8").split()) > 20
