"""Make a picture again from what it says, into a temporary folder, and find the same one among what was made."""

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nodes.spec import Json, Place
from server.backends.base import Backend
from server.events import Event
from server.graph.errors import PromptError
from server.graph.parse import parse_prompt
from server.graph.run import Ending, Order, run
from server.graph.validate import calls, validate
from server.graph.written import Written
from server.verify.distance import Distance, distance
from server.verify.picture import Picture, Record, Unreadable, read
from server.workspace import Workspace, split_annotation


@dataclass(frozen=True, slots=True)
class Again:
    """What came out when it was made again.

    Attributes:
        ending: how the run went.
        made: the picture that stands for the same one; None if there is none.
        identical: every pixel is as it was saved, also where the file was edited since.
        distance: to the file as it is now; None if the sizes differ or nothing was made.
        certain: whether it is known which of the pictures that were made is the one.
    """

    ending: Ending
    made: Picture | None = None
    identical: bool = False
    distance: Distance | None = None
    certain: bool = True


def mended(prompt: Mapping[str, Json], record: Record | None) -> dict[str, Json]:
    """The prompt with its seeds as the record tells them: a program that passed it on may have rounded them."""
    result = dict(prompt)
    for place, seed in record.seeds.items() if record else ():
        id, _, name = place.rpartition(".")
        node = result.get(id)
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        if isinstance(node, Mapping) and isinstance(inputs, Mapping):
            given = inputs.get(name)
            if isinstance(given, int | float) and not isinstance(given, bool):
                result[id] = {**node, "inputs": {**inputs, name: seed}}
    return result


def lend(record: Record | None, real: Workspace, ours: Workspace) -> None:
    """Copy pictures that the prompt reads from the output and the temporary folder, where ours begin empty."""
    for file in record.files if record else ():
        name, annotated = split_annotation(file.name)
        place = annotated or (Place(file.folder) if file.folder in set(Place) else Place.INPUT)
        if place is not Place.INPUT:
            source, goal = real.resolve(place, "", name), ours.resolve(place, "", name)
            if source.is_file():
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, goal)


async def make_again(
    picture: Picture,
    prompt: Mapping[str, Json],
    backend: Backend,
    workspace: Workspace,
    emit: Callable[[Event], None],
) -> Again:
    """Run the prompt and compare.

    Args:
        workspace: where the run's output goes.

    Raises:
        PromptError: it cannot run here.
        BackendLost: the worker died before it began.
    """
    specs = await backend.specs()
    graph = parse_prompt(prompt)
    record = picture.record
    only = {record.node} if record and record.node in graph else None
    asked = calls(graph, specs)
    complaints = await backend.validate(asked) if asked else ()
    verdict = validate(graph, specs, cache(workspace.choices), only=only, complaints=complaints)
    if verdict.error:
        raise PromptError(verdict.error, verdict.node_faults)
    extra: dict[str, Json] = {"extra_pnginfo": {"workflow": picture.workflow}} if picture.workflow else {}
    order = Order(
        str(uuid.uuid4()), verdict.graph, verdict.targets, Written(prompt), Written(extra), previews=False
    )
    ending = await run(order, specs, backend, emit)
    return _found(picture, ending, list(_made(workspace, ending)))


def _made(workspace: Workspace, ending: Ending) -> Iterator[tuple[str, Path]]:
    """Each file that a node saved, with the node's id."""
    for node, ui in ending.outputs.items():
        for item in (item for items in ui.values() for item in items if isinstance(item, Mapping)):
            name, place = item.get("filename"), item.get("type")
            if isinstance(name, str) and place in set(Place):
                yield (
                    node,
                    workspace.resolve(Place(str(place)), str(item.get("subfolder") or ""), name),
                )


def _found(picture: Picture, ending: Ending, files: list[tuple[str, Path]]) -> Again:
    """The same picture among those that were made: by its place in its batch, or the nearest where that is not known."""
    record = picture.record
    made = [(node, one) for node, path in files if (one := _read(path)) is not None]
    if record is not None:
        made = [(node, one) for node, one in made if node == record.node]
        placed = [one for _, one in made if one.record and _place(one.record) == _place(record)]
        if record.index is not None and placed:
            return _compared(picture, placed[0], ending, certain=True)
    compared = [_compared(picture, one, ending, certain=len(made) == 1) for _, one in made]
    return min(compared, key=_how_far, default=Again(ending))


def _place(record: Record) -> tuple[int, int | None]:
    return record.call, record.index


def _read(path: Path) -> Picture | None:
    try:
        return read(path)
    except Unreadable:
        return None  # nodes save other things beside pictures


def _compared(picture: Picture, made: Picture, ending: Ending, *, certain: bool) -> Again:
    saved = (picture.record.pixels if picture.record else "") or picture.pixels
    return Again(ending, made, made.pixels == saved, distance(picture.path, made.path), certain)


def _how_far(again: Again) -> tuple[bool, bool, float]:
    apart = again.distance
    return (not again.identical, apart is None, apart.mean if apart else 0.0)
