"""What a picture says of its making: prompt, workflow, record. It may come from anybody: nothing in it is trusted."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

from PIL import Image, UnidentifiedImageError

from nodes.spec import RECORD, RECORD_VERSION, Json, RecordedFile, pixel_hash
from server.picture_texts import picture_texts

LONGEST_NUMBER = 100  # digits

Fields: TypeAlias = Mapping[str, Json]


class Unreadable(Exception):
    """It is no picture, a damaged one, or one that tells nothing of its making."""


@dataclass(frozen=True, slots=True)
class RecordedNode:
    """Where a node's class came from, and the version of its code."""

    module: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The record in a picture; what it does not say is empty.

    Attributes:
        version: of its form.
        job, node, call: which save it was. index, count: which picture of that call's batch; None: not known.
        versions, machine, dtypes: of what computed.
        nodes: by class type. files: models and pictures that had a part.
        seeds: by "node.input", digit by digit.
        pixels, prompt: hashes of what was saved.
    """

    version: int
    job: str
    node: str
    call: int
    index: int | None
    count: int | None
    versions: Fields
    machine: Fields
    dtypes: Fields
    nodes: Mapping[str, RecordedNode]
    files: tuple[RecordedFile, ...]
    seeds: Mapping[str, int]
    pixels: str
    prompt: str

    @property
    def is_newer(self) -> bool:
        """Whether a later Weft wrote it, which may have meant more by it."""
        return self.version > RECORD_VERSION


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and what it says.

    Attributes:
        width, height: in pixels. pixels: their hash now.
        prompt, workflow, record: None where it says nothing of the kind.
        prompt_hash: of the prompt's text as it stands in the file.
    """

    path: Path
    width: int
    height: int
    pixels: str
    prompt: Fields | None
    workflow: Json
    record: Record | None
    prompt_hash: str

    @property
    def is_edited(self) -> bool:
        """Whether the pixels are others than those that were saved."""
        return self.record is not None and self.record.pixels not in ("", self.pixels)

    @property
    def is_prompt_changed(self) -> bool:
        """Whether the prompt is another than the one that was saved."""
        record = self.record
        return record is not None and self.prompt is not None and record.prompt not in ("", self.prompt_hash)


def read(path: Path) -> Picture:
    """Open a picture.

    Raises:
        Unreadable: the message says what is wrong with it.
    """
    try:
        with Image.open(path) as opened:
            opened.load()  # chunks may come after the pixels
            texts = dict(picture_texts(opened))
            width, height = opened.size
            pixels = pixel_hash(width, height, opened.convert("RGBA").tobytes())
    except FileNotFoundError as error:
        raise Unreadable(f"There is no file {path}.") from error
    except (UnidentifiedImageError, IsADirectoryError, PermissionError) as error:
        raise Unreadable(f"{path} is not a picture that can be read.") from error
    except Image.DecompressionBombError as error:
        raise Unreadable(f"{path} has more pixels than anybody would look at: it was not opened.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Unreadable(f"{path} is damaged or cut short: {error}.") from error
    parts = {name: _parsed(path, name, text) for name, text in texts.items()}
    prompt = parts.get("prompt")
    if prompt is not None and not isinstance(prompt, Mapping):
        raise Unreadable(f"The prompt in {path} is no prompt: it should be an object of nodes by id.")
    told = parts.get(RECORD)
    if told is not None and not isinstance(told, Mapping):
        raise Unreadable(f"The record in {path} is none: it should be an object.")
    if not parts:
        raise Unreadable(
            f"{path} does not say what made it: it holds neither a prompt nor a record. It was saved with "
            "--disable-metadata, or by a program that drops them (many sites do)."
        )
    digest = hashlib.sha256(texts.get("prompt", "").encode(errors="replace")).hexdigest()
    record = None if told is None else _record(told)
    return Picture(path, width, height, pixels, prompt, parts.get("workflow"), record, digest)


def _parsed(path: Path, name: str, text: str) -> Json:
    try:
        return cast("Json", json.loads(text))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The {_called(name)} in {path} is not JSON that can be read: {error}.") from error


def _called(name: str) -> str:
    return "record" if name == RECORD else name


def _record(told: Fields) -> Record:
    version = _whole(told.get("version"))
    return Record(
        version=1 if version is None else version,
        job=_text(told.get("job")),
        node=_text(told.get("node")),
        call=_whole(told.get("call")) or 0,
        index=_whole(told.get("index")),
        count=_whole(told.get("count")),
        versions=_fields(told.get("versions")),
        machine=_fields(told.get("machine")),
        dtypes=_fields(told.get("dtypes")),
        nodes={
            type: RecordedNode(_text(_fields(node).get("module")), _text(_fields(node).get("version")))
            for type, node in _fields(told.get("nodes")).items()
        },
        files=tuple(_files(told.get("files"))),
        seeds=dict(_seeds(_fields(told.get("seeds")))),
        pixels=_text(told.get("pixels")),
        prompt=_text(told.get("prompt")),
    )


def _files(told: Json) -> Iterator[RecordedFile]:
    for entry in told if isinstance(told, list) else ():
        fields = _fields(cast("Json", entry))
        folder, name = _text(fields.get("folder")), _text(fields.get("name"))
        if folder and name:
            yield RecordedFile(folder, name, _whole(fields.get("size")) or 0, _text(fields.get("sha256")))


def _seeds(told: Fields) -> Iterator[tuple[str, int]]:
    for place, text in told.items():
        digits = _text(text).removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < LONGEST_NUMBER:
            yield place, int(_text(text))


def _fields(value: Json) -> Fields:
    return value if isinstance(value, Mapping) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
