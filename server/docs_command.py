"""`weft docs`: pages for people, made on this machine, in a process of its own: what is here has no torch."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from server.settings import Unusable

STOPPED = 130
MAKER = "nodes.starter.reference"  # run, not imported: it computes
GRACE = 5.0  # seconds in which the maker may end by itself


def add_docs(parser: argparse.ArgumentParser) -> None:
    """The options of `weft docs`."""
    pages = parser.add_subparsers(dest="page", metavar="PAGE", required=True)
    samplers = pages.add_parser(
        "samplers",
        help="every sampler and schedule: what it is for, its maths, pictures of the model that comes with Weft",
    )
    samplers.add_argument(
        "-o", "--output", type=Path, default=Path("samplers.html"), metavar="FILE.html",
        help="write the page there (default: %(default)s)",
    )  # fmt: skip
    samplers.add_argument(
        "--samplers",
        nargs="+",
        default=[],
        metavar="NAME",
        help="only these (default: all; minutes on a CPU)",
    )
    samplers.add_argument(
        "--steps", nargs="+", type=int, default=[], metavar="NUMBER",
        help="a picture for each of these numbers of steps (default: 4 8 16 32)",
    )  # fmt: skip


async def docs(options: argparse.Namespace, ending: asyncio.Event) -> int:
    """Make a page; the exit status.

    Args:
        ending: set when the person wants it to end.
    """
    try:
        folder = options.output.expanduser().absolute().parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass  # it takes minutes: a place where nothing can be written is said at once
    except OSError as error:
        raise Unusable(f"Cannot write {options.output}: {error.strerror or error}.") from error
    maker = await asyncio.create_subprocess_exec(*_command(options), stdin=asyncio.subprocess.DEVNULL)
    made, stopped = asyncio.create_task(maker.wait()), asyncio.create_task(ending.wait())
    try:
        await asyncio.wait((made, stopped), return_when=asyncio.FIRST_COMPLETED)
        return made.result() if made.done() else STOPPED
    finally:
        stopped.cancel()
        await _end(maker)


def _command(options: argparse.Namespace) -> Sequence[str]:
    command = [sys.executable, "-m", MAKER, str(options.output.expanduser().absolute())]
    if options.samplers:
        command += ["--samplers", *options.samplers]
    if options.steps:
        command += ["--steps", *(str(count) for count in options.steps)]
    return command


async def _end(maker: asyncio.subprocess.Process) -> None:
    """No maker outlives its command."""
    if maker.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        maker.terminate()
    try:
        await asyncio.wait_for(maker.wait(), GRACE)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            maker.kill()
        await maker.wait()
