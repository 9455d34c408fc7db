"""The arguments of `weft packs`, apart from what it does: reading them imports nothing else."""

import argparse

ACTS = ("list", "trust", "distrust", "add", "disable", "enable", "remove", "restore")


def add_packs(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `weft packs`."""
    parser.add_argument("act", nargs="?", default="list", choices=ACTS, help="list: the default")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="packs; for add: a folder, a zip file, or an address of either or of git",
    )
    parser.add_argument(
        "--trust", action="store_true", help="with add: let its code run from the next start on"
    )
