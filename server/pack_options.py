"""The arguments of `weft packs`, apart from what it does: reading them imports nothing else."""

import argparse
from pathlib import Path

ACTS = ("list", "trust", "distrust", "add", "disable", "enable", "remove", "restore")
CHANGES = ("limit", "update", "pin", "unpin", "sync")


def add_packs(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `weft packs`."""
    parser.add_argument("act", nargs="?", default="list", choices=(*ACTS, *CHANGES), help="list: the default")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="packs; for add: a folder, a zip file, or an address of either or of git",
    )
    parser.add_argument(
        "--trust", action="store_true", help="with add: let its code run from the next start on"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="with add, update, sync: change nothing, say what would"
    )
    parser.add_argument("--yes", action="store_true", help="with update: take the difference that it shows")
    parser.add_argument("--no-deps", action="store_true", help="with add: leave out what it wants installed")
    limits = parser.add_argument_group(
        "what a pack may do", "with limit, which without any of them says what holds"
    )
    own = limits.add_mutually_exclusive_group()
    own.add_argument(
        "--own-process",
        dest="apart",
        action="store_const",
        const=True,
        help="run it in a process of its own: it reads the workspace alone and starts no programs",
    )
    own.add_argument(
        "--shared", dest="apart", action="store_const", const=False, help="run it with the others"
    )
    net = limits.add_mutually_exclusive_group()
    net.add_argument(
        "--no-network", dest="network", action="store_const", const=False, help="refuse it the network"
    )
    net.add_argument(
        "--network", dest="network", action="store_const", const=True, help="let it use the network"
    )
    limits.add_argument(
        "--write", type=Path, action="append", default=[], metavar="DIR", help="let it write this folder too"
    )
    limits.add_argument("--no-write", action="store_true", help="take back all folders that --write allowed")
