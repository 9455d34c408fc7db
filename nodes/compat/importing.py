"""Import a pack from where it lies, under a name of its own, without waiting for it for ever."""

import asyncio
import hashlib
import importlib.util
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

PRESTARTUP = "prestartup_script.py"
NOT_CODE = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


class PackHangs(Exception):
    """A pack's import takes longer than anybody waits. The traceback shows where it is."""

    def __init__(self, seconds: float, where: tuple[str, ...]) -> None:
        super().__init__(f"It was not imported within {seconds:g} seconds.")
        self.where = where


def find(folders: tuple[Path, ...]) -> Iterator[Path]:
    """Folders with `__init__.py`, and single `.py` files; each once, by name."""
    seen: set[Path] = set()
    for folder in folders:
        for path in sorted(folder.iterdir(), key=lambda entry: entry.name.lower()) if folder.is_dir() else ():
            named_out = path.name.startswith((".", "__")) or path.name.endswith(".disabled")
            is_pack = path.suffix == ".py" if path.is_file() else (path / "__init__.py").is_file()
            if is_pack and not named_out and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def module_name(path: Path) -> str:
    """The name under which the field's hosts file a pack: its path, dots written out."""
    beside = path.is_file() and path.with_suffix("").is_dir()  # `one.py` and `one/` are two packs
    bare = path.with_suffix("") if path.is_file() and not beside else path
    return str(bare).replace(".", "_x_")


def code_version(path: Path) -> str:
    """A hash over all Python files of a pack: another one means that its nodes may compute something else."""
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        inside = file.relative_to(path) if path.is_dir() else Path(file.name)
        if any(part.startswith(".") or part in NOT_CODE for part in inside.parts):
            continue
        try:
            content = file.read_bytes()
        except OSError:  # a link to nowhere, a folder with an odd name: Python could not import it either
            continue
        digest.update(f"{inside.as_posix()} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def import_pack(path: Path) -> ModuleType:
    """Import a folder with `__init__.py`, or one file. Relative imports work.

    Raises:
        Exception: whatever the pack raises.
    """
    inside = path / "__init__.py" if path.is_dir() else path
    places = [str(path)] if path.is_dir() else None
    return _execute(module_name(path), inside, places)


def run_prestartup(path: Path) -> None:
    """Run a pack's script that wants to be first, if it has one.

    Raises:
        Exception: whatever the script raises.
    """
    script = path / PRESTARTUP
    if script.is_file():
        _execute(f"{module_name(path)}.prestartup_script", script, None)


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """What `work` returns (awaited, if it can be), done in a thread with a running event loop, as packs expect.

    Raises:
        PackHangs: it is not done in time; the thread is left to itself.
        BaseException: whatever `work` raises.
    """
    box: list[Any] = []
    raised: list[BaseException] = []

    async def do() -> None:
        returned = work()
        box.append(await returned if inspect.isawaitable(returned) else returned)

    def body() -> None:
        try:
            asyncio.run(do())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            raised.append(error)

    thread = threading.Thread(target=body, name="weft-pack", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the only way to see another thread
        where = traceback.format_stack(frame) if frame else []
        raise PackHangs(seconds, tuple(line.rstrip("\n") for line in where))
    if raised:
        raise raised[0]
    return box[0]


def _execute(name: str, file: Path, places: list[str] | None) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module
