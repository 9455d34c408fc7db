"""Tokens: who may use a server that others can reach. A token is shown once and kept as a hash.

A token has 256 random bits, so one round of SHA-256 hides it as well as a slow hash would hide a password. Each name has
files and settings of its own; those of the first name are the ones that the workspace had before there were tokens.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "tokens.json"
OWNER = "owner"  # name of the token that a server makes for itself
OWNERS_FILES = "default"
BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


class TokenRefused(Exception):
    """There can be no token of this name."""


class TokensUnreadable(Exception):
    """The file of tokens is damaged: nobody can be let in by it."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} cannot be read as a list of tokens. Delete it and make new ones with `weft token add NAME`, "
            "or start with --no-token, which lets everybody in who can reach this machine."
        )


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Attributes:
        name: whose it is.
        user: whose files and settings it opens.
        digest: SHA-256 of the token, in hexadecimal.
        created: seconds since 1970.
        admin: sees and controls everybody's jobs, and the server itself.
    """

    name: str
    user: str
    digest: str
    created: int
    admin: bool = False

    @property
    def sees_all(self) -> bool:
        """Whether it is for one who looks after the server; the first token always is."""
        return self.admin or self.user == OWNERS_FILES


class Tokens:
    """The tokens of a workspace. Changes that another process makes are seen at once.

    Args:
        folder: the workspace's folder of users.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self._stamp: tuple[int, int] | None = None
        self._tokens: tuple[Token, ...] = ()
        self._users: Mapping[str, str] = {}  # of removed names too: who comes back finds their files

    def all(self) -> Sequence[Token]:
        """All tokens, oldest first.

        Raises:
            TokensUnreadable: the file is damaged.
        """
        self._read()
        return self._tokens

    def add(self, name: str, *, admin: bool = False) -> str:
        """Make a token. It is told this once.

        With `admin`, it is for one who looks after the server.

        Raises:
            TokenRefused: the name is taken, or none.
            TokensUnreadable: the file is damaged.
            OSError: the file cannot be written.
        """
        self._read()
        if not _NAME.fullmatch(name):
            raise TokenRefused(
                f"{name!r} is no name: use up to 40 letters, digits, dots, dashes and underscores."
            )
        if any(token.name.lower() == name.lower() for token in self._tokens):
            raise TokenRefused(f"There is a token {name!r} already. Remove it first, or choose another name.")
        user = self._users.get(name) or (f"token_{name}" if self._users else OWNERS_FILES)
        text = secrets.token_urlsafe(BYTES)
        token = Token(name, user, _digest(text), int(time.time()), admin)
        self._write((*self._tokens, token), {**self._users, name: user})
        return text

    def remove(self, name: str) -> bool:
        """Let nobody in by this token any more; False if there is none. Its files stay.

        Raises:
            TokensUnreadable: the file is damaged.
            OSError: the file cannot be written.
        """
        self._read()
        left = tuple(token for token in self._tokens if token.name != name)
        if len(left) == len(self._tokens):
            return False
        self._write(left, self._users)
        return True

    def find(self, text: str) -> Token | None:
        """What is kept of a token; None if it is none. Takes as long for a wrong one as for a right one.

        Raises:
            TokensUnreadable: the file is damaged.
        """
        self._read()
        digest, found = _digest(text), None
        for token in self._tokens:
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def _read(self) -> None:
        try:
            stat = self._file.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if stamp == self._stamp:
                return
            content = json.loads(self._file.read_text(encoding="utf-8"))
            self._tokens = tuple(
                Token(
                    str(kept["name"]),
                    str(kept["user"]),
                    str(kept["digest"]),
                    int(kept["created"]),
                    kept.get("admin") is True,
                )
                for kept in content["tokens"]
            )
            self._users = {str(name): str(user) for name, user in content["users"].items()}
        except FileNotFoundError:
            self._tokens, self._users, self._stamp = (), {}, None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TokensUnreadable(self._file) from error
        else:
            self._stamp = stamp

    def _write(self, tokens: tuple[Token, ...], users: Mapping[str, str]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_name(f".{FILE}.{os.getpid()}.draft")
        content = {"tokens": [asdict(token) for token in tokens], "users": dict(users)}
        try:
            draft.touch(
                mode=0o600
            )  # readable by its owner alone from the start, where the system knows owners
            draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
            draft.replace(self._file)
        finally:
            draft.unlink(missing_ok=True)
        self._stamp = None  # read again: two changes may fall into one tick of the file's clock


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
