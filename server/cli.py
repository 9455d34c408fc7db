"""The command line: `weft` serves, `weft run` makes a picture without a browser, `weft packs` says how packs fare."""

import argparse
import asyncio
import contextlib
import importlib.metadata
import os
import signal
import sys
import webbrowser
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from server.config import Config, checkout_packs, default_workspace
from server.memory import GIGABYTE
from server.remote import add_queue
from server.remote import queue as ask_queue
from server.worker.keeping import Keeping, Policy

SUCCESS, FAILURE, USAGE, STOPPED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `weft`; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        given = given if given and given[0] in ("-h", "--help", "--version") else ["serve", *given]
    options = _parser().parse_args(given)
    try:
        return asyncio.run(COMMANDS[options.command](options))
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="weft", description="A node editor for pictures from diffusion models."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="open the editor (the default)"))
    _add_run(commands.add_parser("run", help="run a workflow without a browser"))
    add_queue(commands.add_parser("queue", help="see and change what waits on a running server"))
    packs = commands.add_parser("packs", help="say which community packs load, and why others do not")
    _add_workspace(packs)
    return parser


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--workspace",
        type=Path,
        default=default_workspace(),
        metavar="DIR",
        help="where models, pictures and settings lie (default: %(default)s)",
    )
    parser.add_argument("--backend", choices=("process", "thread"), default="process", help=argparse.SUPPRESS)
    parser.add_argument("--factory", default="server.app:build_worker", help=argparse.SUPPRESS)


def _add_cache(parser: argparse.ArgumentParser) -> None:
    """Which results of finished nodes are kept; all but the last are spelled as in the field."""
    memory = parser.add_argument_group(
        "results of finished nodes",
        "By default those that cost most for their size stay in a quarter of the memory.",
    ).add_mutually_exclusive_group()
    memory.add_argument(
        "--cache-classic", action="store_true", help="in memory: those that the last workflow used"
    )
    memory.add_argument(
        "--cache-lru", type=_count, metavar="N", help="in memory: N of them, those of the last workflows"
    )
    memory.add_argument(
        "--cache-none", action="store_true", help="none, nor on disk unless --cache-disk says so"
    )
    memory.add_argument(
        "--cache-ram",
        type=_gigabytes,
        nargs="*",
        metavar="GB",
        help="in memory: as many as leave so much of it free, while workflows run and (second number) between them",
    )
    parser.add_argument(
        "--cache-disk",
        type=_gigabytes,
        metavar="GB",
        help="on disk: so much of them, 0 for none (default: up to 10 GB, where there is room)",
    )


def keeping(options: argparse.Namespace) -> Keeping:
    """What the flags say of kept results."""
    disk = options.cache_disk
    if options.cache_classic:
        return Keeping(policy=Policy.CLASSIC, disk=disk)
    if options.cache_lru is not None and options.cache_lru > 0:
        return Keeping(policy=Policy.LRU, most=options.cache_lru, disk=disk)
    if options.cache_none:
        return Keeping(policy=Policy.NONE, disk=disk or 0)
    if options.cache_ram is not None:
        headroom, idle = (*options.cache_ram[:2], None, None)[:2]
        return Keeping(policy=Policy.RAM, headroom=headroom, idle_headroom=idle, disk=disk)
    return Keeping(disk=disk)


def _add_metadata(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--disable-metadata",
        action="store_false",
        dest="metadata",
        help="write neither prompt nor workflow nor what made it into saved pictures",
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_workspace(parser)
    _add_cache(parser)
    _add_metadata(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8188, help="port to listen on (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which this server may be called, beside its address (repeat for more)",
    )
    parser.add_argument(
        "--multi-user", action="store_true", help="several people, each with their own files and settings"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", help="workflow or prompt JSON; - for standard input; `default` for the shipped one"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NODE.INPUT=VALUE",
        dest="changes",
        help="set an input; NODE is an id, a title or a class; VALUE is JSON or else text (repeat for more)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="copy the first saved picture there"
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON line per event, instead of a progress bar"
    )
    _add_workspace(parser)
    _add_cache(parser)
    _add_metadata(parser)


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise argparse.ArgumentTypeError("a number of results is at least 0")
    return count


def _gigabytes(text: str) -> int:
    """Bytes in so many gigabytes."""
    size = float(text)
    if not 0 <= size < 1 << 20:
        raise argparse.ArgumentTypeError("a size in GB is a number that is at least 0")
    return int(size * GIGABYTE)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port < 65536:
        raise argparse.ArgumentTypeError("a port lies between 0 and 65535")
    return port


def _version() -> str:
    try:
        return f"weft {importlib.metadata.version('weft')}"
    except importlib.metadata.PackageNotFoundError:
        return "weft (not installed)"


def _config(options: argparse.Namespace, **more: object) -> Config:
    return Config(
        workspace=options.workspace.expanduser().resolve(),
        packs=checkout_packs(),
        backend=options.backend,
        factory=options.factory,
        **more,  # type: ignore[arg-type]
    )


async def serve(options: argparse.Namespace) -> int:
    """Serve until a signal."""
    from server.api.site import PortTaken
    from server.app import Server
    from server.database import WorkspaceInUse

    config = _config(
        options,
        host=options.host,
        port=options.port,
        allow_hosts=tuple(options.allow_host),
        keeping=keeping(options),
        multi_user=options.multi_user,
        metadata=options.metadata,
    )
    ending = _ending_event()
    server = Server(config)
    try:
        url = await server.start()
    except PortTaken as error:
        await server.close()
        print(f"{error} Is Weft running already? Else choose another with --port.", file=sys.stderr)
        return FAILURE
    except (WorkspaceInUse, OSError) as error:
        await server.close()
        print(f"Weft cannot start: {error}", file=sys.stderr)
        return FAILURE
    print(f"Weft is at {url}", flush=True)
    if not options.no_browser and has_display():
        await asyncio.to_thread(webbrowser.open, url)
    await ending.wait()
    await server.close()
    return SUCCESS


async def run(options: argparse.Namespace) -> int:
    """Run a workflow once."""
    from server.headless import run_file

    config = _config(options, keeping=keeping(options), metadata=options.metadata)
    return await run_file(config, options, _ending_event())


async def packs(options: argparse.Namespace) -> int:
    """List community packs."""
    from server.headless import list_packs

    return await list_packs(_config(options))


async def queue(options: argparse.Namespace) -> int:
    """Ask a running server about its queue."""
    return await asyncio.to_thread(ask_queue, options)


COMMANDS: dict[str, Callable[[argparse.Namespace], Coroutine[object, object, int]]] = {
    "serve": serve,
    "run": run,
    "packs": packs,
    "queue": queue,
}


def has_display() -> bool:
    """Whether a browser could be seen here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _ending_event() -> asyncio.Event:
    """Set by the first SIGINT or SIGTERM. A second one ends at once."""
    ending, loop = asyncio.Event(), asyncio.get_running_loop()

    def end() -> None:
        if ending.is_set():
            os._exit(STOPPED)
        ending.set()

    for wanted in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(ValueError):  # not in the main thread: tests
            try:
                loop.add_signal_handler(wanted, end)
            except NotImplementedError:  # Windows
                signal.signal(wanted, lambda *_: loop.call_soon_threadsafe(end))
    return ending
