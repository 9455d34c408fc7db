"""`weft plan`: what memory a workflow will need, node by node, before it runs."""

import argparse
import asyncio
import json
from collections.abc import Mapping
from typing import cast

from nodes.spec import Json, NodeSpec
from server.graph.convert import is_workflow, workflow_to_prompt
from server.graph.errors import PromptError
from server.graph.host import BackendLost
from server.graph.model import Graph
from server.graph.parse import missing_node_type, parse_prompt
from server.memory import readable
from server.settings import Unusable, working
from server.sources import read_workflow_file

FITS, CANNOT = 0, 1


def add_plan(parser: argparse.ArgumentParser) -> None:
    """The options of `weft plan`, those of the workspace aside."""
    parser.description = (
        "Says what each node of a workflow will need of the device's memory, from the headers of its files and the shapes "
        "of its pictures; nothing runs. The exit status is 0 if it fits or its models can come in blocks, 1 if not."
    )
    parser.add_argument(
        "file",
        help="workflow or prompt JSON, or a picture that holds one; - for standard input; `default` for the shipped one",
    )
    parser.add_argument("--json", action="store_true", help="say it as JSON")


async def plan(options: argparse.Namespace) -> int:
    """Plan a file; the exit status.

    Raises:
        Unusable: it cannot be read, or is no workflow.
    """
    from server.app import build_backend

    raw = await asyncio.to_thread(read_workflow_file, options.file)
    backend = build_backend(working(options))
    try:
        await backend.start()
        specs = await backend.specs()
        if is_workflow(raw):
            raw = await asyncio.to_thread(workflow_to_prompt, raw, specs)
        _check(parse_prompt(raw), specs)
        found = await backend.plan(cast("Mapping[str, Json]", raw))
    except PromptError as error:
        raise Unusable(f"{options.file}: {error} {error.fault.details}".strip()) from error
    except BackendLost as error:
        raise Unusable(f"The nodes cannot be loaded: {error}") from error
    finally:
        await backend.close()
    print(
        json.dumps(found, indent=2)
        if options.json
        else "\n".join(lines(found, cast("Mapping[str, Json]", raw)))
    )
    return CANNOT if found.get("verdict") == "cannot" else FITS


def _check(graph: Graph, specs: Mapping[str, NodeSpec]) -> None:
    for node in graph:
        if node.type not in specs:
            raise PromptError(missing_node_type(node.id, node.type, node.title))


def lines(found: Mapping[str, Json], prompt: Mapping[str, Json]) -> list[str]:
    """A plan in words: one line for each node, and one for all."""
    said: list[str] = []
    for id, need in cast("Mapping[str, Mapping[str, Json]]", found["nodes"]).items():
        weights, computing = (readable(cast("int", need[part])) for part in ("weights", "computing"))
        about = "" if need["measured"] else "about "
        kind = cast("Mapping[str, Json]", prompt[id]).get("class_type")
        said.append(f"{id} {kind}: {need['words']} (models {weights}, computing {about}{computing})")
    for id, fault in cast("Mapping[str, str]", found["faults"]).items():
        said.append(f"{id}: {fault}")
    return [*said, str(found["words"])]
