"""`weft templates`: the workflows that Weft brings, and pictures of what they make."""

import argparse
import asyncio
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageSequence

from nodes.spec import NodeError
from server.api.templates import TEMPLATES, Template, file
from server.api.wire import loads
from server.app import DEFAULT_WORKFLOW, build_backend, build_workspace
from server.app import TEMPLATES as FOLDER
from server.backends.base import Backend, BackendLost
from server.config import Config
from server.events import Event
from server.graph.convert import workflow_to_prompt
from server.graph.errors import PromptError
from server.graph.run import Order, Status, run
from server.graph.written import Written
from server.headless import FAILURE, STOPPED, SUCCESS, USAGE, in_words, judge, saved
from server.settings import Unusable
from server.sources import in_words as os_words
from server.workspace import Workspace

SIZE, GAP = (384, 256), 8  # of a thumbnail, in pixels
MOST = 6  # pictures of one


async def templates(config: Config, options: argparse.Namespace, ending: asyncio.Event) -> int:
    """List the templates, or make thumbnails of them; the exit status.

    Args:
        options: names, thumbnails; see `cli`.
        ending: set when the person wants it to end.
    """
    unknown = set(options.names) - {template.name for template in TEMPLATES}
    if unknown:
        named = ", ".join(sorted(unknown))
        print(f"There is no template {named}. `weft templates` lists all.", file=sys.stderr)
        return USAGE
    chosen = [template for template in TEMPLATES if not options.names or template.name in options.names]
    if options.thumbnails is None:
        for template in chosen:
            print(f"{template.name}: {template.title}. {template.description}")
        return SUCCESS
    workspace = build_workspace(config.workspace, config.packs, config.elsewhere)
    backend = build_backend(config)
    await backend.start()
    try:
        options.thumbnails.mkdir(parents=True, exist_ok=True)
        for template in chosen:
            if ending.is_set():
                return STOPPED
            goal = options.thumbnails / f"{template.name}.webp"
            pictures = await _made(template, backend, workspace)
            await asyncio.to_thread(_lay, pictures, goal)
            print(goal)
    except (Unusable, PromptError) as error:
        print(in_words(error), file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"Cannot write to {options.thumbnails}: {os_words(error)}.", file=sys.stderr)
        return FAILURE
    except (BackendLost, NodeError) as error:
        print(error, file=sys.stderr)
        return FAILURE
    finally:
        await backend.close()
    return SUCCESS


async def _made(template: Template, backend: Backend, workspace: Workspace) -> Sequence[Path]:
    """The files that a template's nodes show, from left to right as the file has the nodes."""
    path = file(template.name, DEFAULT_WORKFLOW, FOLDER)
    assert path is not None
    specs = await backend.specs()
    prompt = workflow_to_prompt(loads(await asyncio.to_thread(path.read_bytes)), specs)
    verdict = await judge(prompt, specs, backend, workspace)
    if verdict.error:
        raise PromptError(verdict.error, verdict.node_faults)
    order = Order(
        str(uuid.uuid4()), verdict.graph, verdict.targets, Written(prompt), Written({}), previews=False
    )
    result = await run(order, specs, backend, _nothing)
    if result.status is not Status.SUCCEEDED:
        raise Unusable(f"{template.name} did not run to its end.")
    return saved(workspace, result, in_order=True)


def _nothing(event: Event) -> None:
    """Nobody watches."""


def _lay(files: Sequence[Path], goal: Path) -> None:
    """Lay pictures side by side, as large as they fit, on a clear ground."""
    pictures: list[Image.Image] = []
    for name in files:
        with Image.open(name) as picture:
            pictures += [frame.convert("RGBA") for frame in ImageSequence.Iterator(picture)]
    if not pictures:
        raise Unusable(f"{goal.stem} shows no picture.")
    pictures = pictures[-MOST:]
    ratio = max(picture.width / picture.height for picture in pictures)
    columns = max(range(1, len(pictures) + 1), key=lambda count: _cell(len(pictures), count, ratio))
    rows = -(-len(pictures) // columns)
    height = int(_cell(len(pictures), columns, ratio))
    width = int(height * ratio)
    left = (SIZE[0] - columns * width - (columns - 1) * GAP) // 2
    top = (SIZE[1] - rows * height - (rows - 1) * GAP) // 2
    page = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    for index, picture in enumerate(pictures):
        place = (left + index % columns * (width + GAP), top + index // columns * (height + GAP))
        page.paste(picture.resize((width, height), Image.Resampling.LANCZOS), place)
    page.save(goal, format="WEBP", quality=82, method=6)


def _cell(count: int, columns: int, ratio: float) -> float:
    """How high a picture can be among `count` in so many columns."""
    rows = -(-count // columns)
    across = (SIZE[0] - (columns - 1) * GAP) / columns / ratio
    return min(across, (SIZE[1] - (rows - 1) * GAP) / rows)
