"""Questions to a real server: a prompt is posted, and taken or refused."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.serving import Server


@dataclass(frozen=True)
class Answer:
    """What the server answered."""

    status: int
    body: Any

    @property
    def error(self) -> Any:
        return self.body["error"]

    def errors(self, node: str) -> list[dict[str, Any]]:
        """All faults of a node."""
        return self.body["node_errors"][node]["errors"]


def post(server: Server, body: bytes | Mapping[str, Any], path: str = "/prompt") -> Answer:
    """POST a body, JSON or raw."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(server.url + path, data, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=60) as answer:
            return Answer(answer.status, json.load(answer))
    except HTTPError as error:
        with error:
            return Answer(error.code, json.load(error))


def ask(server: Server, prompt: Mapping[str, Any], **more: Any) -> Answer:
    """POST a prompt."""
    return post(server, {"prompt": prompt, **more})
