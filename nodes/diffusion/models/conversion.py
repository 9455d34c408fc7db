"""Files that could run code when opened become safetensors once, in a process that can do nothing else."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock

from nodes.diffusion.errors import CheckpointMissing, CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.files import AGAIN, CODE_SUFFIXES

WAIT = 0.05  # seconds between looks at the process and at Stop
ROOT = Path(__file__).resolve().parents[3]  # what has the package `nodes`
FULL = {os.strerror(number) for number in (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))}
PASSED_ON = ("SYSTEMROOT", "LD_LIBRARY_PATH")  # what Python needs to start


class Conversions:
    """Converted files in a folder, each under a name made of where the original lies and what it was like then.

    Args:
        folder: where they are kept; they can be deleted at any time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()

    def safe(self, path: Path, check: Callable[[], None] = lambda: None) -> Path:
        """The safetensors of a file: the file itself, if it is none that could run code.

        Args:
            check: called while the conversion runs; raises to stop it.

        Raises:
            CheckpointMissing: there is no such file. CheckpointUnreadable: it holds no tensors of torch, or is damaged.
            DiffusionError: there is no room for the converted file.
        """
        if path.suffix.lower() not in CODE_SUFFIXES or path.is_dir():
            return path
        if not path.is_file():
            raise CheckpointMissing(path)
        state = path.stat()
        said = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
        made = self._folder / hashlib.sha256(said.encode()).hexdigest()[:20] / f"{path.stem}.safetensors"
        with self._lock:
            if not made.is_file():
                self._convert(path, made, check)
        return made

    def _convert(self, path: Path, made: Path, check: Callable[[], None]) -> None:
        try:
            made.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(made.parent).free
        except OSError as error:
            hint = f"See that {self._folder} can be written, or get the file as safetensors."
            raise DiffusionError(f"{path.name} cannot be converted: {error}.", hint) from error
        part = made.with_suffix(f".{os.getpid()}.part")
        try:
            if free < path.stat().st_size:
                raise _no_room(path, made.parent)
            code, told = _run(path, part, check)
            if code != 0:
                raise _refused(path, part, code, told)
            part.replace(made)
        finally:
            part.unlink(missing_ok=True)
            with suppress(OSError):
                made.parent.rmdir()  # stays if it holds the file


def _run(path: Path, part: Path, check: Callable[[], None]) -> tuple[int, str]:
    """The process, watched: its exit status and what it said."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    command = [
        sys.executable,
        "-m",
        "nodes.diffusion.models.converting",
        str(path.resolve()),
        str(part.resolve()),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            while True:
                check()
                with suppress(subprocess.TimeoutExpired):
                    told, _ = process.communicate(timeout=WAIT)
                    return process.returncode, told.decode("utf-8", "replace")
        finally:
            process.kill()


def _refused(path: Path, part: Path, code: int, told: str) -> DiffusionError:
    last = told.strip().rpartition("\n")[2]
    try:
        what = str(json.loads(last)["error"])
    except (ValueError, KeyError, TypeError):
        what = f"the process that reads it ended with {code} ({last or 'it said nothing'})"
    if what in FULL:
        return _no_room(path, part.parent)
    return CheckpointUnreadable(path, what, AGAIN)


def _no_room(path: Path, folder: Path) -> DiffusionError:
    return DiffusionError(
        f"{path.name} cannot be converted to safetensors: there is too little room for it in {folder}.",
        "Free some disk space, or get the file as safetensors.",
    )
