"""What the command line is given to read: workflows and prompts in JSON or inside pictures, and the one that Weft brings."""

import sys
from pathlib import Path

from PIL import Image

from nodes.spec import Json
from server.api.wire import BadRequest, loads
from server.graph.convert import is_workflow
from server.picture_texts import picture_texts
from server.settings import Unusable

DEFAULT = "default"  # names the workflow that Weft brings, where no file is called so
DEFAULT_FILE = Path(__file__).parent / "default_workflow.json"
PICTURES = (
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"RIFF",
)  # how files begin in which programs of the field put workflows


def read_workflow_file(name: str) -> Json:
    """The workflow or prompt in a file, in a picture, in standard input (`-`), or `default`.

    Raises:
        Unusable: there is none that can be read.
    """
    body = _bytes(name)
    if name != "-" and (body.startswith(PICTURES) or body[4:8] == b"ftyp"):
        return _inside(Path(name))
    return _parsed(name, body)


def read_json_file(name: str) -> Json:
    """The JSON of a file, or of standard input (`-`).

    Raises:
        Unusable: it cannot be read, or is none.
    """
    return _parsed(name, _bytes(name))


def in_words(error: OSError) -> str:
    """What the system refused, and where, without its number."""
    said = error.strerror or str(error)
    return f"{said}: {error.filename}" if error.filename else said


def _bytes(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.read().encode(errors="replace")
        path = Path(name)
        return (DEFAULT_FILE if name == DEFAULT and not path.exists() else path).read_bytes()
    except UnicodeDecodeError as error:
        raise Unusable(
            "Standard input is not text: give JSON there, and name a picture as a file."
        ) from error
    except OSError as error:
        raise Unusable(f"Cannot read {name}: {error.strerror or error}.") from error


def _parsed(name: str, body: bytes) -> Json:
    try:
        return loads(body)
    except BadRequest as error:
        raise Unusable(f"{name} is not JSON that can be read: {error.fault.details or error}") from error


def _inside(path: Path) -> Json:
    """What a picture says of its making: its workflow before its prompt, as the canvas reads it."""
    try:
        with Image.open(path) as opened:
            opened.load()  # chunks may come after the pixels
            texts = dict(picture_texts(opened))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise Unusable(f"{path} is a picture that cannot be read: {error}.") from error
    for name in ("workflow", "prompt"):
        found = (
            _parsed(f"The {name} in {path}", texts[name].encode(errors="replace")) if name in texts else None
        )
        if found is not None and (name == "prompt" or is_workflow(found)):
            return found
    raise Unusable(
        f"{path} holds neither a workflow nor a prompt. It was saved with --disable-metadata, or by a program that drops "
        "them (many sites do)."
    )
