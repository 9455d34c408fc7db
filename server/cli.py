"""The command line: `weft` serves, `weft run` makes a picture without a browser, `weft packs` sees to packs."""

import argparse
import asyncio
import contextlib
import difflib
import importlib.metadata
import json
import os
import signal
import sys
import webbrowser
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from server.cache_command import add_cache_command
from server.cache_command import cache as see_cache
from server.config import default_workspace, is_loopback
from server.convert_command import add_convert, convert
from server.docs_command import add_docs
from server.docs_command import docs as make_docs
from server.graph.host import BackendLost
from server.meaningless import add_meaningless, notes, unknown
from server.options import add_cache, add_compute, add_folders, add_metadata, add_network, add_rest
from server.pack_options import add_packs
from server.plan_command import add_plan
from server.plan_command import plan as plan_memory
from server.remote import add_queue
from server.remote import queue as ask_queue
from server.settings import Unusable, log_as, running, serving, working
from server.sources import in_words as os_words
from server.token_command import add_token
from server.token_command import token as change_tokens
from server.tokens import TokensUnreadable
from server.trust import DISABLED, packs_in

if TYPE_CHECKING:
    from server.app import Server
    from server.config import Config

SUCCESS, FAILURE, USAGE, STOPPED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `weft`; the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        if given and not given[0].startswith("-"):
            return _no_command(given[0])
        given = given if given and given[0] in ("-h", "--help", "--version") else ["serve", *given]
    options = _read(given)
    try:
        return asyncio.run(COMMANDS[options.command](options))
    except Unusable as error:
        print(f"weft: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


def _no_command(name: str) -> int:
    near = difflib.get_close_matches(name, COMMANDS, 1)
    meant = f" Did you mean {near[0]}?" if near else ""
    print(f"weft: There is no command {name!r}.{meant} There are: {', '.join(COMMANDS)}.", file=sys.stderr)
    return USAGE


def _read(given: Sequence[str]) -> argparse.Namespace:
    """The options of a command line; ends the program over one that is wrong."""
    parser, commands = _parser()
    options, wrong = parser.parse_known_args(given)
    if wrong:
        command = commands.choices[options.command]
        command.error(unknown(wrong, command._option_string_actions))  # noqa: SLF001 - argparse tells no other way
    return options


def _parser() -> tuple[argparse.ArgumentParser, "argparse._SubParsersAction[argparse.ArgumentParser]"]:
    """The whole command line, and its commands."""
    parser = argparse.ArgumentParser(
        prog="weft",
        description="A node editor for pictures from diffusion models.",
        epilog="`weft COMMAND --help` says more. Without a command, `weft OPTIONS` is `weft serve OPTIONS`.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(
        commands.add_parser("serve", usage="weft [serve] [OPTIONS]", help="open the editor (the default)")
    )
    _add_run(commands.add_parser("run", help="run a workflow without a browser"))
    _add_verify(commands.add_parser("verify", help="say whether this machine would make the same picture"))
    planning = commands.add_parser("plan", help="say what memory a workflow will need")
    add_plan(planning)
    _add_workspace(planning)
    add_queue(commands.add_parser("queue", help="see and change what waits on a running server"))
    add_token(commands.add_parser("token", help="say who may use a server that others can reach"))
    converting = commands.add_parser("convert", help="write the prompt that a workflow makes")
    add_convert(converting)
    _add_workspace(converting)
    add_cache_command(commands.add_parser("cache", help="see or remove the results that are kept on disk"))
    add_docs(commands.add_parser("docs", help="make a page about samplers and schedules, with pictures"))
    _add_templates(commands.add_parser("templates", help="list the workflows that Weft brings"))
    packs = commands.add_parser("packs", help="see, trust, add, switch off and remove community packs")
    add_packs(packs)
    _add_workspace(packs)
    return parser, commands


def _add_workspace(parser: argparse.ArgumentParser) -> None:
    add_folders(parser, default_workspace())
    add_compute(parser)
    parser.add_argument("--backend", choices=("process", "thread"), default="process", help=argparse.SUPPRESS)
    parser.add_argument("--factory", default="server.app:build_worker", help=argparse.SUPPRESS)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    add_network(parser)
    _add_workspace(parser)
    add_cache(parser)
    add_metadata(parser)
    add_rest(parser)
    add_meaningless(parser)


def _add_templates(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument(
        "--thumbnails", type=Path, metavar="FOLDER",
        help="run them, and write a picture of what each makes there",
    )  # fmt: skip
    _add_workspace(parser)
    add_cache(parser)
    add_metadata(parser)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        help="workflow or prompt JSON, or a picture that holds one; - for standard input; `default` for the shipped one",
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
    add_cache(parser)
    add_metadata(parser)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Says whether this machine would make the same picture, and what differs if not. The exit status is 0 if it "
        "would, 1 if not, 2 if the file says nothing of its making."
    )
    parser.add_argument(
        "image", type=Path, help="a picture that Weft, or another program of the field, saved"
    )
    parser.add_argument("--rerun", action="store_true", help="make it again and compare the pixels")
    parser.add_argument("--json", action="store_true", help="say it as JSON")
    _add_workspace(parser)


def _version() -> str:
    try:
        return f"weft {importlib.metadata.version('weft')}"
    except importlib.metadata.PackageNotFoundError:
        return "weft (not installed)"


async def serve(options: argparse.Namespace) -> int:
    """Serve until a signal."""
    from server.api.site import PortTaken
    from server.app import Server
    from server.database import WorkspaceInUse
    from server.understood import features

    for line in notes(options):
        print(f"weft: {line}", file=sys.stderr)
    log_as(options)
    config = serving(options)
    if options.list_feature_flags:
        print(json.dumps(features(config), indent=2))
        return SUCCESS
    ending = _ending_event()
    server = Server(config)
    try:
        url = await server.start()
    except PortTaken as error:
        await server.close()
        print(f"{error} Is Weft running already? Else choose another with --port.", file=sys.stderr)
        return FAILURE
    except (WorkspaceInUse, TokensUnreadable, OSError) as error:
        await server.close()
        said = os_words(error) if isinstance(error, OSError) else error
        print(f"Weft cannot start: {said}", file=sys.stderr)
        return FAILURE
    print(f"Weft is at {url}", flush=True)
    for line in (*_of_tokens(options, config), *_of_trust(config)):
        print(line, file=sys.stderr)
    try:
        if options.quick_test_for_ci:
            return await _all_loads(server)
        if not options.no_browser and (options.auto_launch or has_display()):
            await asyncio.to_thread(webbrowser.open, url)
        await ending.wait()
    finally:
        await server.close()
    return SUCCESS


def _of_tokens(options: argparse.Namespace, config: "Config") -> Iterator[str]:
    """What a person should know of tokens when the server has started."""
    if config.asks_token:
        yield "It asks for a token. `weft token add NAME` makes more of them; --no-token asks for none."
        if options.multi_user:
            yield "weft: --multi-user adds nothing here: each token is a person, with jobs, files and settings of their own."
    elif not all(is_loopback(host) for host in config.hosts):
        yield "weft: with --no-token, everybody who can reach this machine can run anything that its nodes can do."


def _of_trust(config: "Config") -> Iterator[str]:
    """The packs of which nothing runs, because nobody has said yet that it may."""
    folders = (config.workspace / "custom_nodes", *config.packs)
    new = [
        name
        for name, path in packs_in(folders).items()
        if not path.name.endswith(DISABLED) and not config.trust.allows(path)
    ]
    if new:
        yield f"weft: nothing of these new packs runs until you trust them: {', '.join(new)}."
        yield "Look at them, then trust them in the list of packs on the canvas, or by `weft packs trust NAME`."


async def _all_loads(server: "Server") -> int:
    """Wait for the nodes, and say how they fared."""
    try:
        nodes, broken = await server.loaded()
    except BackendLost as error:
        print(f"The nodes cannot be loaded: {error}", file=sys.stderr)
        return FAILURE
    for name, message in broken.items():
        print(f"The pack {name} does not load: {message}", file=sys.stderr)
    print(f"{nodes} nodes are loaded.")
    return SUCCESS


async def run(options: argparse.Namespace) -> int:
    """Run a workflow once."""
    from server.headless import run_file

    return await run_file(running(options), options, _ending_event())


async def verify(options: argparse.Namespace) -> int:
    """Say whether a picture would come out the same here."""
    from server.verify.command import verify

    return await verify(working(options), options, _ending_event())


async def packs(options: argparse.Namespace) -> int:
    """See and change community packs."""
    from server.packs_command import packs

    return await packs(working(options), options)


async def queue(options: argparse.Namespace) -> int:
    """Ask a running server about its queue."""
    return await asyncio.to_thread(ask_queue, options)


async def token(options: argparse.Namespace) -> int:
    """Add, list or remove a token."""
    return change_tokens(options)


async def cache(options: argparse.Namespace) -> int:
    """See or remove what is kept on disk."""
    return see_cache(options)


async def templates(options: argparse.Namespace) -> int:
    """List the workflows that Weft brings, or make pictures of what they make."""
    from server.templates_command import templates as see_templates

    return await see_templates(working(options), options, _ending_event())


async def docs(options: argparse.Namespace) -> int:
    """Make a page for people."""
    return await make_docs(options, _ending_event())


COMMANDS: dict[str, Callable[[argparse.Namespace], Coroutine[object, object, int]]] = {
    "serve": serve,
    "run": run,
    "verify": verify,
    "packs": packs,
    "convert": convert,
    "plan": plan_memory,
    "queue": queue,
    "token": token,
    "cache": cache,
    "docs": docs,
    "templates": templates,
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
