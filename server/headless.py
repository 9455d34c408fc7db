"""Weft without a browser: run a file once and say how it goes, on a terminal or as JSON lines."""

import argparse
import asyncio
import json
import shutil
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol, TextIO, cast

from nodes.spec import Json, NodeError, NodeSpec, Place
from server.api.messages import Words, messages
from server.api.wire import dumps
from server.app import build_backend, build_workspace
from server.backends.base import Backend, BackendLost
from server.config import Config
from server.events import Event, JobFailed, NodeBlocked, NodeDone, NodeFailed, NodeProgressed, NodeStarted
from server.graph.convert import is_workflow, workflow_to_prompt
from server.graph.errors import Fault, PromptError, kind_of
from server.graph.parse import parse_prompt
from server.graph.run import Ending, Order, Status, run
from server.graph.validate import Verdict, calls, validate
from server.graph.written import Written
from server.settings import Unusable
from server.sources import in_words as os_words
from server.sources import read_workflow_file
from server.workspace import Workspace

SUCCESS, FAILURE, USAGE, STOPPED = 0, 1, 2, 130
BAR = 24  # characters


class Reporter(Protocol):
    """Says how a run goes."""

    def event(self, event: Event) -> None:
        """Something happened."""
        ...

    def end(self, ending: Ending, files: Sequence[Path]) -> None:
        """It is over; these files were saved."""
        ...


class JsonLines:
    """One JSON object a line, in the words of the websocket; the last one is `result`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def event(self, event: Event) -> None:
        for message in messages(event):
            if isinstance(message, Words):
                self._line(message.type, message.data)

    def end(self, ending: Ending, files: Sequence[Path]) -> None:
        data: dict[str, Json] = {
            "status": ending.status.value,
            "files": [str(path) for path in files],
            "outputs": {
                id: {name: list(items) for name, items in ui.items()} for id, ui in ending.outputs.items()
            },
            "seconds": dict(ending.timings),
        }
        self._line("result", data)

    def _line(self, type: str, data: Mapping[str, Json]) -> None:
        print(dumps({"type": type, "data": data}), file=self._out, flush=True)


class Terminal:
    """A bar on a terminal, errors in words, and the saved files' paths on standard output."""

    def __init__(self, titles: Mapping[str, str], out: TextIO, err: TextIO) -> None:
        self._titles = titles
        self._out = out
        self._err = err
        self._bar = err.isatty()

    def event(self, event: Event) -> None:
        match event:
            case NodeStarted(place=place):
                self._show(self._titles.get(place.display, place.display))
            case NodeProgressed(place=place, value=value, total=total):
                done = round(BAR * value / total) if total else 0
                title = self._titles.get(place.display, place.display)
                self._show(f"{title} [{'#' * done}{'.' * (BAR - done)}] {value} / {total}")
            case NodeFailed(place=place, failure=failure):
                self._say(
                    f"{self._titles.get(place.display, place.display)} failed: {failure.message}",
                    failure.hint,
                )
            case NodeBlocked(place=place, message=message):
                self._say(f"{self._titles.get(place.display, place.display)} was switched off: {message}")
            case JobFailed(place=None, failure=failure):
                self._say(failure.message, failure.hint)
            case NodeDone(ui=ui, cached=False) if ui and "text" in ui:
                self._say(*(str(line) for line in ui["text"]))
            case _:
                pass

    def end(self, ending: Ending, files: Sequence[Path]) -> None:
        self._show("")
        if ending.status is Status.STOPPED:
            self._say("Stopped.")
        for path in files:
            print(path, file=self._out)

    def _show(self, text: str) -> None:
        if self._bar:
            self._err.write(f"\r\x1b[K{text}")
            self._err.flush()

    def _say(self, *lines: str) -> None:
        self._show("")
        for line in lines:
            if line:
                print(line, file=self._err)


async def run_file(config: Config, options: argparse.Namespace, ending: asyncio.Event) -> int:
    """`weft run`; the exit status.

    Args:
        options: file, changes, output, json; see `cli`.
        ending: set when the person wants it to end.
    """
    try:
        raw = await asyncio.to_thread(read_workflow_file, options.file)
        changes = [_change(text) for text in options.changes]
        workspace = build_workspace(config.workspace, config.packs, config.elsewhere)
    except Unusable as error:
        print(error, file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"The workspace {config.workspace} cannot be used: {os_words(error)}.", file=sys.stderr)
        return USAGE
    backend = build_backend(config)
    await backend.start()
    try:
        return await _run(raw, changes, options, workspace, backend, ending)
    except (Unusable, PromptError) as error:
        print(in_words(error), file=sys.stderr)
        return USAGE
    except (BackendLost, NodeError, OSError) as error:
        print(os_words(error) if isinstance(error, OSError) else error, file=sys.stderr)
        return FAILURE
    finally:
        await backend.close()


async def _run(
    raw: Json,
    changes: Sequence["_Change"],
    options: argparse.Namespace,
    workspace: Workspace,
    backend: Backend,
    ending: asyncio.Event,
) -> int:
    specs = await backend.specs()
    prompt, extra = _prompt(raw, specs, options.file)
    if changes:
        # What is written into pictures must be what made them, and the workflow does not know of the changes.
        extra = {}
    for change in changes:
        change(prompt)
    verdict = await judge(prompt, specs, backend, workspace)
    if verdict.error:
        raise PromptError(verdict.error, verdict.node_faults)
    titles = {node.id: node.title or node.type for node in verdict.graph}
    reporter: Reporter = JsonLines(sys.stdout) if options.json else Terminal(titles, sys.stdout, sys.stderr)
    order = Order(
        str(uuid.uuid4()), verdict.graph, verdict.targets, Written(prompt), Written(extra), previews=False
    )
    stopper = asyncio.create_task(_stop_when(ending, backend))
    try:
        result = await run(order, specs, backend, reporter.event)
    finally:
        stopper.cancel()
    files = saved(workspace, result)
    if options.output and result.status is Status.SUCCEEDED:
        files = [await asyncio.to_thread(_copy, files, options.output), *files]
    reporter.end(result, files)
    return {Status.SUCCEEDED: SUCCESS, Status.FAILED: FAILURE, Status.STOPPED: STOPPED}[result.status]


async def _stop_when(ending: asyncio.Event, backend: Backend) -> None:
    await ending.wait()
    backend.stop()


def _prompt(raw: Json, specs: Mapping[str, NodeSpec], file: str) -> tuple[dict[str, Json], dict[str, Json]]:
    """The prompt in a file of either form, and what to write into pictures beside it."""
    if is_workflow(raw):
        return workflow_to_prompt(raw, specs), {"extra_pnginfo": {"workflow": raw}}
    if isinstance(raw, Mapping) and isinstance(raw.get("prompt"), Mapping):
        raw = raw["prompt"]  # a whole request, as clients send it
    if not isinstance(raw, Mapping):
        raise Unusable(f"{file} is neither a workflow nor a prompt: it holds {kind_of(raw)}.")
    return dict(raw), {}


_Change = Callable[[dict[str, Json]], None]


def _change(text: str) -> _Change:
    """`NODE.INPUT=VALUE` as a change of a prompt."""
    place, equals, value = text.partition("=")
    node, dot, name = place.rpartition(".")
    if not (equals and dot and node and name):
        raise Unusable(
            f"--set {text!r}: write NODE.INPUT=VALUE, for example 5.steps=30 or KSampler.steps=30."
        )
    try:
        parsed = cast("Json", json.loads(value))
    except ValueError:
        parsed = value

    def change(prompt: dict[str, Json]) -> None:
        id = _find(prompt, node)
        fields = cast("Mapping[str, Json]", prompt[id])
        inputs = cast("Mapping[str, Json]", fields.get("inputs") or {})
        if name not in inputs:
            raise Unusable(f"--set {text!r}: node {node} has no input {name!r}. It has: {', '.join(inputs)}.")
        wrapped: Json = {"__value__": parsed} if isinstance(parsed, list) else parsed
        prompt[id] = {**fields, "inputs": {**inputs, name: wrapped}}

    return change


def _find(prompt: Mapping[str, Json], name: str) -> str:
    if name in prompt:
        return name
    for named in (_title, _class):
        found = [id for id, node in prompt.items() if named(node) == name]
        if len(found) == 1:
            return found[0]
        if found:
            raise Unusable(
                f"--set: {name!r} could be any of the nodes {', '.join(found)}. Name one by its id."
            )
    known = ", ".join(f"{id} ({_class(node)})" for id, node in prompt.items())
    raise Unusable(f"--set: there is no node {name!r}. There are: {known}.")


def _title(node: Json) -> Json:
    meta = node.get("_meta") if isinstance(node, Mapping) else None
    return meta.get("title") if isinstance(meta, Mapping) else None


def _class(node: Json) -> Json:
    return node.get("class_type") if isinstance(node, Mapping) else None


async def judge(
    prompt: Mapping[str, Json], specs: Mapping[str, NodeSpec], backend: Backend, workspace: Workspace
) -> Verdict:
    """Whether a prompt can run here, and what of it."""
    graph = parse_prompt(prompt)
    asked = calls(graph, specs)
    complaints = await backend.validate(asked) if asked else ()
    return validate(graph, specs, cache(workspace.choices), complaints=complaints)


def in_words(error: Exception) -> str:
    """An error for a terminal; of a prompt that cannot run, every node's faults."""
    if not isinstance(error, PromptError):
        return str(error)
    lines = [_fault(error.fault)] if not error.node_faults else ["The workflow cannot run:"]
    for id, faults in error.node_faults.items():
        lines += [f"  node {id} ({faults.type}): {_fault(fault)}" for fault in faults.errors]
    return "\n".join(lines)


def _fault(fault: Fault) -> str:
    if fault.type == "prompt_no_outputs":
        return f"{fault.message}: none of its nodes saves or shows anything. Add one that does, such as Save Image."
    if fault.message.endswith("."):
        return f"{fault.message} {fault.details}".strip()
    return f"{fault.message}: {fault.details}" if fault.details else fault.message


def saved(workspace: Workspace, ending: Ending, *, in_order: bool = False) -> list[Path]:
    """The files that nodes saved: outputs before temporary ones, or in the order of the nodes' ids."""
    found: list[tuple[Place, Path]] = []
    nodes = sorted(ending.outputs, key=lambda id: (len(id), id)) if in_order else list(ending.outputs)
    for id in nodes:
        for item in (
            item for items in ending.outputs[id].values() for item in items if isinstance(item, Mapping)
        ):
            name, place = item.get("filename"), item.get("type")
            if isinstance(name, str) and place in set(Place):
                kept = Place(str(place))
                found.append((kept, workspace.resolve(kept, str(item.get("subfolder") or ""), name)))
    if in_order:
        return [path for _, path in found]
    return [path for _, path in sorted(found, key=lambda entry: entry[0] is not Place.OUTPUT)]


def _copy(files: Sequence[Path], goal: Path) -> Path:
    if not files:
        raise Unusable("-o: the workflow saved no picture to copy.")
    target = goal / files[0].name if goal.is_dir() else goal
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[0], target)
    except OSError as error:
        raise Unusable(
            f"-o: cannot write {target}: {error.strerror or error}. The picture is {files[0]}."
        ) from error
    return target
