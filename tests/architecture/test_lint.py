"""The checkers find nothing: ruff, ruff's formatter, pyright."""

import sys

from tests.architecture.tools import complaints


def test_ruff_finds_nothing():
    assert complaints("-m", "ruff", "check", "--no-cache", ".") == ""


def test_the_formatter_would_change_nothing():
    assert complaints("-m", "ruff", "format", "--check", "--no-cache", ".") == ""


def test_the_types_are_right():
    assert complaints("-m", "pyright", "--project", ".", "--pythonpath", sys.executable) == ""
