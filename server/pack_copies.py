"""Packs that are copies (of a folder, a file, what was in a zip): what came with them, and a newer copy in their place.

What a person or the pack itself has put beside stays. Which files came is written down among the user data.
"""

import difflib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.pack_lock import NOT_OURS, Refused

FILE = "pack_files.json"  # among the user data
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Newer:
    """What a newer copy of a pack changes here.

    Attributes:
        pack: where it lies. found: the newer copy.
        written: files that are written, and `removed` those that go, as names inside the pack.
        files: all that came with the newer copy, by name, each as a hash.
    """

    pack: Path
    found: Path
    written: tuple[str, ...]
    removed: tuple[str, ...]
    files: Mapping[str, str]

    def shown(self) -> Iterator[str]:
        """The difference in lines."""
        for name in (*self.removed, *self.written):
            yield from _difference(name, _inside(self.pack, name), _inside(self.found, name))

    def put(self) -> Path:
        """Put the newer copy in place; where what was there lies until `settled` or `taken_back`.

        Raises:
            OSError: the disk refuses; everything is as it was.
        """
        new, before = (self.pack.with_name(f".{self.pack.name}.{word}") for word in ("new", "before"))
        for old in (new, before):
            discard(old)
        if self.pack.is_file():
            shutil.copyfile(self.found, new)
        else:
            shutil.copytree(self.pack, new, symlinks=True)
            for name in self.removed:
                (new / name).unlink(missing_ok=True)
            for name in self.written:
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.found / name, new / name)
        self.pack.rename(before)
        new.rename(self.pack)
        return before

    def taken_back(self, before: Path) -> None:
        """Undo `put`."""
        discard(self.pack)
        before.rename(self.pack)


def newer(pack: Path, found: Path, came: Mapping[str, str] | None) -> Newer:
    """What the copy that was found changes in the pack that is there.

    Args:
        came: what `remembered` says; None: not known, then whatever is new there is taken, and nothing goes.

    Raises:
        Refused: a file was changed here and there, or the copy is of another kind.
    """
    if pack.is_symlink():
        raise Refused(f"{pack.name} is a link to {pack.resolve()}: bring it up to date there.")
    if pack.is_file() != found.is_file():
        raise Refused(f"What lies where {pack.name} came from is no pack of the same kind by now.")
    here, there = files_of(pack), files_of(found)
    known = dict(came) if came is not None else {name: here[name] for name in here.keys() & there.keys()}
    changed = {
        name for name, content in there.items() if known.get(name) != content and here.get(name) != content
    }
    gone = {name for name in known.keys() - there.keys() if name in here}
    touched = sorted(name for name in changed | gone if name in here and here[name] != known.get(name))
    if touched:
        told = ", ".join(touched[:MOST_NAMED]) + (" and more" if len(touched) > MOST_NAMED else "")
        raise Refused(
            f"{pack.name} was changed here and where it came from: {told}. Put these files aside first."
        )
    return Newer(pack, found, tuple(sorted(changed)), tuple(sorted(gone)), there)


def files_of(pack: Path) -> dict[str, str]:
    """A pack's files by name inside it, each as a hash; a single file has an empty name."""
    if pack.is_file():
        return {"": _hash(pack)}
    found: dict[str, str] = {}
    for path in sorted(pack.rglob("*")):
        inside = path.relative_to(pack)
        if path.is_file() and NOT_OURS.isdisjoint(inside.parts):
            found[inside.as_posix()] = _hash(path)
    return found


def remembered(user: Path, name: str) -> Mapping[str, str] | None:
    """The files that came with a pack; None where nobody wrote that down."""
    return _kept(user).get(name)


def remember(user: Path, name: str, files: Mapping[str, str] | None) -> None:
    """Write down what came with a pack; None: it is gone."""
    kept = {known: each for known, each in _kept(user).items() if known != name}
    if files is not None:
        kept[name] = dict(files)
    user.mkdir(parents=True, exist_ok=True)
    new = (user / FILE).with_suffix(".new")
    new.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
    new.replace(user / FILE)


def discard(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _kept(user: Path) -> dict[str, dict[str, str]]:
    with suppress(
        OSError, ValueError, AttributeError
    ):  # what cannot be read is not known: nothing is removed then
        held: Any = json.loads((user / FILE).read_text("utf-8"))
        return {
            str(name): {str(file): str(each) for file, each in files.items()} for name, files in held.items()
        }
    return {}


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _inside(pack: Path, name: str) -> Path:
    return pack / name if name else pack


def _difference(name: str, before: Path, after: Path) -> Iterator[str]:
    shown = name or after.name
    try:
        old, new = (
            path.read_text("utf-8").splitlines() if path.is_file() else [] for path in (before, after)
        )
    except UnicodeDecodeError:
        yield f"{shown}: bytes that are no text differ"
        return
    yield from difflib.unified_diff(old, new, f"a/{shown}", f"b/{shown}", lineterm="")
