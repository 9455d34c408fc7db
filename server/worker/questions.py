"""What nodes answer before they run: are the inputs right, has what they read changed."""

import inspect
import math
from collections.abc import Mapping
from typing import cast

from nodes.spec import Json, Node, NodeSpec, Stopped, plain
from server.graph.host import Call, Complaint
from server.graph.outcome import Failure
from server.worker.arguments import Keywords, calls, hidden
from server.worker.failures import failure
from server.worker.running import NodeContext, RunningJob


async def complaints(node: Node, call: Call, context: NodeContext) -> tuple[Complaint, ...]:
    """What the node's own validation says of the inputs it asks about; nothing if all is well."""
    if node.validate is None:
        return ()
    asked = [name for name in (*call.constants, *call.links) if _checks(node.spec, name)]
    lists = {name: [call.constants.get(name)] for name in asked}
    extra = {"input_types": dict(call.links)} if node.spec.validates_types else {}
    for index, keywords in enumerate(calls(node.spec, lists)):
        every = node.spec.arguments(keywords)
        given = {name: value for name, value in every.items() if _checks(node.spec, name)}
        verdict = await _verdict(node, context.at(index), {**given, **extra})
        if isinstance(verdict, Failure):
            name = next(iter(given or _some_input(node)), "")
            return (Complaint(call.node, name, verdict.message, verdict),)
        if verdict is not True:
            message = str(plain(verdict)) if verdict else ""
            return tuple(Complaint(call.node, name, message) for name in given or _some_input(node))
    return ()


async def change_token(node: Node, call: Call, job: RunningJob, context: NodeContext) -> str | None:
    """A text that is equal while what the node reads is unchanged; None: nothing can be said."""
    if node.change_token is None:
        return ""
    given = {**dict.fromkeys(call.links), **call.constants}
    declared = {
        name: [value] for name, value in given.items() if node.spec.takes_anything or node.spec.input(name)
    }
    lists = declared | {name: [value] for name, value in hidden(node.spec, job, call.node).items()}
    texts: list[str] = []
    for index, keywords in enumerate(calls(node.spec, lists)):
        try:
            token: object = node.change_token(context.at(index), **node.spec.arguments(keywords))
            if inspect.isawaitable(token):
                token = await token
        except Stopped:
            raise
        except Exception:  # noqa: BLE001 - a node that cannot tell runs, and then says what is wrong
            return None
        text = _text(token)
        if text is None:
            return None
        texts.append(text)
    return "|".join(texts)


async def _verdict(node: Node, context: NodeContext, keywords: Keywords) -> object:
    """True, or what is wrong; a Failure if the node's check raised."""
    assert node.validate is not None
    try:
        verdict: object = node.validate(context, **keywords)
        return await verdict if inspect.isawaitable(verdict) else verdict
    except Stopped:
        raise
    except Exception as error:  # noqa: BLE001 - a check may raise anything
        return failure(error)


def _checks(spec: NodeSpec, name: str) -> bool:
    """Whether the node's own check asks for an input, or for the one that brings it."""
    asked = spec.validates
    return name in asked or "*" in asked or (spec.is_dynamic and name.partition(".")[0] in asked)


def _some_input(node: Node) -> tuple[str, ...]:
    return tuple(entry.name for entry in node.spec.inputs[:1])


def _text(token: object) -> str | None:
    """A change token as a text; None if it equals nothing, not even itself."""
    if isinstance(token, float) and math.isnan(token):
        return None
    if isinstance(token, bytes | bytearray):
        return token.hex()
    if token is None or isinstance(token, bool | int | float | str):
        return repr(plain(token))
    if isinstance(token, Mapping | list | tuple | set | frozenset):
        return _inner_text(cast("object", token))
    return None


def _inner_text(token: object) -> str | None:
    shown: Json = plain(token)
    return None if _has_nan(shown) else repr(shown)


def _has_nan(shown: Json) -> bool:
    if isinstance(shown, Mapping):
        return any(_has_nan(entry) for entry in shown.values())
    if isinstance(shown, list):
        return any(_has_nan(entry) for entry in cast("list[Json]", shown))
    return isinstance(shown, float) and math.isnan(shown)
