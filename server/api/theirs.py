"""Which files of input, output and temp the one who asks may see and change."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from aiohttp import web

from nodes.spec import Json, NodeError, Place
from server.api import wire
from server.api.assets import Asset
from server.api.people import NotYours, person_of
from server.api.services import services
from server.workspace import split_annotation


def may_see(request: web.Request, place: Place, path: Path) -> bool:
    """Whether they may see a file; it need not exist."""
    known = services(request).belongings
    return known is None or known.may_see(person_of(request), place, path)


def may_change(request: web.Request, place: Place, path: Path) -> bool:
    """Whether they may delete a file, or write another one in its place."""
    known = services(request).belongings
    return known is None or known.may_change(person_of(request), place, path)


async def claim(request: web.Request, place: Place, path: Path) -> None:
    """A file that they sent is theirs; one that was theirs to see before stays whose it was."""
    known = services(request).belongings
    if known is not None:
        await known.claim(person_of(request), place, path)


def may_see_asset(request: web.Request, asset: Asset) -> bool:
    """Models are everybody's."""
    return asset.place is None or may_see(request, asset.place, asset.path)


def check_change(request: web.Request, asset: Asset) -> None:
    """Go on only if an asset is theirs to change; models are who looks after the server's.

    Raises:
        NotYours: it is not.
    """
    theirs = (
        person_of(request).sees_all if asset.place is None else may_change(request, asset.place, asset.path)
    )
    if not theirs:
        raise NotYours("change a file that is not yours")


def check_prompt(request: web.Request, prompt: Json) -> None:
    """Go on only if no input of a prompt names a file that is another's.

    Raises:
        BadRequest: one does.
    """
    if services(request).belongings is None or person_of(request).sees_all or not isinstance(prompt, Mapping):
        return
    for id, node in prompt.items():
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        for name, value in inputs.items() if isinstance(inputs, Mapping) else ():
            for text in _texts(value):
                if _is_anothers(request, text):
                    raise wire.BadRequest(
                        f"Node {id}, input {name}: there is no file {text[:100]!r} of yours.",
                        "Upload it, or choose another one.",
                        type="value_not_in_list",
                    )


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)


def _is_anothers(request: web.Request, text: str) -> bool:
    """Whether a text names a file that is there and not theirs to see, as nodes that load pictures read names."""
    name, place = split_annotation(text)
    place = place or Place.INPUT
    try:
        path = services(request).workspace.resolve(place, "", name)
        return not may_see(request, place, path) and path.is_file()
    except (NodeError, OSError, ValueError):
        return False  # no file is called so
