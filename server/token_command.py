"""`weft token`: who may use a server that others can reach."""

import argparse
import sys
from datetime import datetime

from server.config import default_workspace
from server.options import add_home
from server.tokens import TokenRefused, Tokens, TokensUnreadable

SUCCESS, FAILURE, USAGE = 0, 1, 2


def add_token(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `weft token`."""
    parser.add_argument(
        "act", nargs="?", default="list", choices=("list", "add", "remove"), help="list: the default"
    )
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="whose token; each has files and settings of its own"
    )
    parser.add_argument(
        "--admin", action="store_true", help="with add: sees and controls everybody's jobs and files"
    )
    add_home(parser, default_workspace())


def token(options: argparse.Namespace) -> int:
    """Do what the command line says; the exit status. A running server sees the change at once."""
    if (options.act == "list") != (options.name is None):
        print(
            f"weft token {options.act}: {'it takes no name' if options.name else 'name the token'}.",
            file=sys.stderr,
        )
        return USAGE
    folder = options.user_directory or options.workspace / "user"
    tokens = Tokens(folder.expanduser().resolve())
    try:
        return _act(tokens, options.act, options.name, admin=options.admin)
    except (TokenRefused, TokensUnreadable, OSError) as error:
        print(f"weft token: {error}", file=sys.stderr)
        return FAILURE


def _act(tokens: Tokens, act: str, name: str, *, admin: bool) -> int:
    if act == "add":
        print(tokens.add(name, admin=admin))
        print(
            "This is shown once. Send it with the address, as http://ADDRESS:PORT/?token=TOKEN.",
            file=sys.stderr,
        )
    elif act == "remove":
        if not tokens.remove(name):
            print(f"There is no token {name!r}. `weft token list` names all.", file=sys.stderr)
            return FAILURE
        print(f"Nobody gets in by the token {name!r} any more. Its files stay.")
    else:
        if not tokens.all():
            print("There are no tokens. `weft token add NAME` makes one.", file=sys.stderr)
        for kept in tokens.all():
            made = f"{datetime.fromtimestamp(kept.created).astimezone():%Y-%m-%d %H:%M}"
            print("\t".join((kept.name, made, *(("admin",) if kept.sees_all else ()))))
    return SUCCESS
