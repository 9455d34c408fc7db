"""`weft verify IMAGE`: says whether this machine would make the same picture; with `--rerun`, makes it again."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from nodes.spec import Json, NodeError, NodeSpec, RecordedFile
from server.api.wire import dumps
from server.app import build_backend, build_workspace
from server.backends.base import Backend, BackendLost
from server.config import Config
from server.graph.convert import is_workflow, workflow_to_prompt
from server.graph.errors import PromptError
from server.graph.run import Status
from server.graph.written import Written
from server.headless import in_words
from server.verify.compare import Here, differences, notes, unrecorded
from server.verify.finding import Finding, as_json, lines
from server.verify.picture import Picture, Unreadable, read
from server.verify.rerun import lend, make_again, mended
from server.worker.keeping import Keeping, Policy
from server.worker.lineage import lineage
from server.worker.running import RunningPrompt

UNUSABLE = 2


async def verify(config: Config, options: argparse.Namespace, ending: asyncio.Event) -> int:
    """The exit status: 0 if it would be (with `--rerun`: is) the same, 1 if not, 2 if the file cannot be used.

    Args:
        options: image, rerun, json; see `cli`.
        ending: set when the person wants it to end.
    """
    try:
        picture = await asyncio.to_thread(read, options.image)
    except Unreadable as error:
        return _unusable(str(error), as_json=options.json)
    with tempfile.TemporaryDirectory(prefix="weft-verify-", ignore_cleanup_errors=True) as folder:
        if options.rerun:
            config = _apart(picture, config, Path(folder))
        backend = build_backend(config)
        await backend.start()
        stopper = asyncio.create_task(_stop_when(ending, backend))
        try:
            finding = await _finding(picture, config, backend, rerun=options.rerun)
        except (BackendLost, NodeError, OSError) as error:
            return _unusable(str(error), as_json=options.json)
        finally:
            stopper.cancel()
            await backend.close()
        print(dumps(as_json(finding)) if options.json else "\n".join(lines(finding)))
    return finding.status


def _unusable(message: str, *, as_json: bool) -> int:
    print(message, file=sys.stderr)
    if as_json:
        print(dumps({"same": None, "error": message}))
    return UNUSABLE


async def _stop_when(ending: asyncio.Event, backend: Backend) -> None:
    await ending.wait()
    backend.stop()


def _apart(picture: Picture, config: Config, folder: Path) -> Config:
    """The same workspace with an output and a temporary folder of its own; all is computed anew, and tells what made it."""
    elsewhere = replace(config.elsewhere, output=folder / "output", temp=folder / "temp")
    real = build_workspace(config.workspace, config.packs, config.elsewhere)
    lend(picture.record, real, build_workspace(config.workspace, config.packs, elsewhere))
    return replace(config, elsewhere=elsewhere, keeping=Keeping(policy=Policy.NONE, disk=0), metadata=True)


async def _finding(picture: Picture, config: Config, backend: Backend, *, rerun: bool) -> Finding:
    specs = await backend.specs()
    prompt = _prompt(picture, specs)
    record = picture.record
    workspace = build_workspace(config.workspace, config.packs, config.elsewhere)
    if record is not None:
        here = Here(await backend.standing(record.files), specs)
        found, told = tuple(differences(picture, here)), tuple(notes(record, here))
    else:
        types, files = _named(prompt or {}, specs)
        here = Here(await backend.standing(files), specs)
        found, told = tuple(unrecorded(types, files, here)), ()
    if not rerun:
        return Finding(picture, found, told)
    if prompt is None:
        return Finding(picture, found, told, refused="It holds no prompt, so it cannot be made again.")
    try:
        again = await make_again(picture, mended(prompt, record), backend, workspace, lambda _event: None)
    except PromptError as error:
        return Finding(picture, found, told, refused=f"It cannot be made again here. {in_words(error)}")
    failure = again.ending.failure
    if failure is not None:
        told_why = f"Making it again failed: {failure.failure.message} {failure.failure.hint}".strip()
        return Finding(picture, found, told, refused=told_why)
    if again.made is None and again.ending.status is Status.SUCCEEDED:
        return Finding(picture, found, told, refused="The run saved no picture that could be compared.")
    return Finding(picture, found, told, again)


def _prompt(picture: Picture, specs: Mapping[str, NodeSpec]) -> Mapping[str, Json] | None:
    """The prompt that it holds, else the one its workflow stands for."""
    if picture.prompt is not None:
        return picture.prompt
    if is_workflow(picture.workflow):
        with suppress(PromptError):
            return workflow_to_prompt(picture.workflow, specs)
    return None


def _named(
    prompt: Mapping[str, Json], specs: Mapping[str, NodeSpec]
) -> tuple[Sequence[str], Sequence[RecordedFile]]:
    """The classes of a prompt's nodes, and the files they name."""
    nodes = RunningPrompt(Written(prompt))
    makers = [
        maker for id in prompt for maker in lineage("", nodes, specs.get, id).makers if maker.node == id
    ]
    files = {
        (folder, str(maker.inputs[name])): None for maker in makers for name, folder in maker.folders.items()
    }
    return [maker.type for maker in makers], [RecordedFile(folder, name) for folder, name in files]
