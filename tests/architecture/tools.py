"""Running a checking tool of this Python environment, and showing what it said."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent


def complaints(*arguments: str) -> str:
    """Run `python ARGUMENTS` in the checkout: "" when it ended with status 0, else all it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return "" if done.returncode == 0 else f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
