"""The table in this folder's README names tests that are there."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent


def test_the_table_names_tests_that_are_there():
    named = re.findall(
        r"\| `(test_\w+\.py)::(test_\w+)` \|", (HERE / "README.md").read_text(encoding="utf-8")
    )
    assert len(named) > 45
    there = {
        (file.name, part.name)
        for file in HERE.glob("test_*.py")
        for part in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(part, ast.FunctionDef)
    }
    assert [f"{file}::{name}" for file, name in named if (file, name) not in there] == []
