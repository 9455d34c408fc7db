"""`weft convert`: a workflow as the prompt that the canvas would send of it, without a server."""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from nodes.spec import Json, NodeSpec
from server.graph.convert import is_workflow, read_specs, workflow_to_prompt
from server.graph.errors import PromptError
from server.graph.host import BackendLost
from server.graph.parse import parse_prompt
from server.settings import Unusable, working
from server.sources import read_json_file, read_workflow_file

SUCCESS, FAILURE = 0, 1


def add_convert(parser: argparse.ArgumentParser) -> None:
    """The options of `weft convert`, those of the workspace aside."""
    parser.add_argument(
        "file",
        help="workflow JSON, or a picture that holds a workflow; - for standard input; `default` for the shipped one",
    )
    parser.add_argument(
        "--nodes",
        type=Path,
        metavar="OBJECT_INFO.json",
        help="descriptions of the nodes, as a server gives them at /object_info: then none need be installed"
        " (default: those of this workspace)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="write the prompt there (default: standard output)"
    )


async def convert(options: argparse.Namespace) -> int:
    """Convert a file; the exit status. A prompt is written as it is.

    Raises:
        Unusable: a file cannot be read or written, or is not what it should be.
    """
    raw = await asyncio.to_thread(read_workflow_file, options.file)
    try:
        if is_workflow(raw):
            specs = await _specs(options)
            prompt: Json = await asyncio.to_thread(workflow_to_prompt, raw, specs)
        else:
            parse_prompt(raw)
            prompt = raw
    except PromptError as error:
        print(f"{options.file}: {error} {error.fault.details}".strip(), file=sys.stderr)
        return FAILURE
    except BackendLost as error:
        print(f"The nodes cannot be loaded: {error}", file=sys.stderr)
        return FAILURE
    text = json.dumps(prompt, indent=2, ensure_ascii=False)
    if options.output is None:
        print(text)
    else:
        await asyncio.to_thread(_write, options.output, text + "\n")
    return SUCCESS


async def _specs(options: argparse.Namespace) -> Mapping[str, NodeSpec]:
    """Descriptions from the file, else of all nodes that would run here."""
    if options.nodes is not None:
        described = await asyncio.to_thread(read_json_file, str(options.nodes))
        if not isinstance(described, Mapping) or not all(
            isinstance(entry, Mapping) and isinstance(entry.get("input"), Mapping)
            for entry in described.values()
        ):
            raise Unusable(f"{options.nodes} is not what a server gives at /object_info: nodes by class.")
        return read_specs(cast("Mapping[str, Mapping[str, Json]]", described))
    from server.app import build_backend

    backend = build_backend(working(options))
    await backend.start()
    try:
        return await backend.specs()
    finally:
        await backend.close()


def _write(goal: Path, text: str) -> None:
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unusable(f"Cannot write {goal}: {error.strerror or error}.") from error
