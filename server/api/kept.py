"""Descriptions of nodes, kept on disk for the next start: its worker may take seconds to bring them.

They are kept under a key that names what they were made of (packs' files, versions): under another key they are nothing.
The last answer of `/object_info` is kept beside them, ready to send as long as folders hold the same files.
"""

import contextlib
import gzip
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from nodes.spec import Choices, InputSpec, NodeSpec, OutputSpec, Replacement, Section
from server.api.versions import etag

log = logging.getLogger(__name__)
FORM = 2  # of the file; another form is not read


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: JSON in gzip, and the name of this content."""

    packed: bytes
    etag: str


def key_of(parts: object, roots: Iterable[Path]) -> str:
    """A key of all that brings nodes: `parts` by their text, the Python files of `roots` by size and time."""
    seen = hashlib.sha256(repr(parts).encode())
    for root in roots:
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            with contextlib.suppress(OSError):  # a link to nowhere brings no node
                stat = path.stat()
                seen.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="replace"))
    return seen.hexdigest()


class Kept:
    """A folder with the descriptions of one workspace. Its methods are slow: not for the event loop.

    Args:
        folder: where they lie.
        key: names what the nodes of this start are made of.
    """

    def __init__(self, folder: Path, key: Callable[[], str]) -> None:
        self._nodes = folder / "nodes.json.gz"
        self._whole = folder / "object_info.gz"
        self._folders = folder / "scripts.json"
        self._key = cache(key)  # packs are loaded at the start

    def read(self) -> Mapping[str, NodeSpec] | None:
        """What the last start kept; None if it is of other packs, or cannot be read."""
        try:
            document = json.loads(gzip.decompress(self._nodes.read_bytes()))
            if document["form"] != FORM or document["key"] != self._key():
                return None
            return {spec["id"]: _node(spec) for spec in document["nodes"]}
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            log.warning("The kept descriptions of nodes cannot be read, they are made anew: %s", error)
            return None

    def write(self, specs: Mapping[str, NodeSpec]) -> None:
        """Keep them; a disk that refuses costs the next start some seconds and nothing else."""
        nodes = [_plain(spec) for spec in specs.values()]
        document = json.dumps({"form": FORM, "key": self._key(), "nodes": nodes}, default=_plain)
        _write(self._nodes, gzip.compress(document.encode(), 3))

    def read_answer(self, listed: Callable[[str], Sequence[str]]) -> Answer | None:
        """The last answer, if it still holds: of the same packs, and `listed` gives the same files of each folder key."""
        try:
            head, _, packed = self._whole.read_bytes().partition(b"\n")
            said = json.loads(head)
            if said["form"] != FORM or said["key"] != self._key() or said["etag"] != etag(packed):
                return None
            same = all(list(listed(key)) == files for key, files in said["listed"].items())
            return Answer(packed, said["etag"]) if same else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("The kept list of nodes cannot be read, it is made anew: %s", error)
            return None

    def read_folders(self) -> Mapping[str, Path] | None:
        """Packs' folders of scripts, by name; None if they are of other packs, or cannot be read."""
        try:
            said = json.loads(self._folders.read_bytes())
            if said["form"] != FORM or said["key"] != self._key():
                return None
            return {str(name): Path(folder) for name, folder in said["folders"].items()}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("The kept folders of scripts cannot be read, packs are asked anew: %s", error)
            return None

    def write_folders(self, folders: Mapping[str, Path]) -> None:
        """Keep packs' folders of scripts."""
        said = {name: str(folder) for name, folder in folders.items()}
        _write(self._folders, json.dumps({"form": FORM, "key": self._key(), "folders": said}).encode())

    def write_answer(self, answer: Answer, listed: Mapping[str, Sequence[str]]) -> None:
        """Keep an answer, and what it lists of each folder key."""
        head = {"form": FORM, "key": self._key(), "etag": answer.etag, "listed": listed}
        _write(self._whole, json.dumps(head).encode() + b"\n" + answer.packed)


def _write(path: Path, content: bytes) -> None:
    """All or nothing. A disk that refuses costs the next start some seconds and nothing else."""
    draft = path.with_suffix(".draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        log.warning("The descriptions of nodes cannot be kept for the next start: %s", error)


def _plain(value: Any) -> Any:
    """One level of a value; `json.dumps` asks on for what is inside."""
    if isinstance(value, Section):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, NodeSpec | InputSpec | OutputSpec | Choices | Replacement):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.init}
    return str(value)


def _node(raw: dict[str, Any]) -> NodeSpec:
    lists = {name: tuple(raw[name]) for name in ("validates", "search_aliases")}
    inputs = tuple(_input(entry) for entry in raw["inputs"])
    outputs = tuple(_output(entry) for entry in raw["outputs"])
    replaces = tuple(_replacement(entry) for entry in raw["replaces"])
    return NodeSpec(**{**raw, **lists, "inputs": inputs, "outputs": outputs, "replaces": replaces})


def _input(raw: dict[str, Any]) -> InputSpec:
    choices = raw["choices"]
    if choices is not None:
        choices = Choices(tuple(choices["values"]), choices["folder"], choices["bare"])
    return InputSpec(raw["name"], raw["type"], Section(raw["section"]), choices, raw["options"])


def _replacement(raw: dict[str, Any]) -> Replacement:
    outputs, widgets = raw["outputs"], raw["widgets"]  # JSON knows keys as text alone
    return Replacement(
        old=raw["old"],
        inputs=raw["inputs"],
        values=raw["values"],
        outputs=None if outputs is None else {int(slot): new for slot, new in outputs.items()},
        widgets=None if widgets is None else tuple(widgets),
    )


def _output(raw: dict[str, Any]) -> OutputSpec:
    choices = raw["choices"]
    return OutputSpec(
        raw["type"], raw["name"], raw["is_list"], raw["tooltip"], None if choices is None else tuple(choices)
    )
