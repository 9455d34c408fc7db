"""A node's surroundings for tests: a real workspace, and a record of what the node said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from nodes.spec import Json, Lineage, Preview
from server.workspace import Workspace

T = TypeVar("T")


@dataclass
class Surroundings:
    """Implements `nodes.spec.Context` over a workspace and given resources."""

    files: Workspace
    resources: Mapping[type, object] = field(default_factory=dict[type, object])
    node_id: str = "1"
    prompt: Mapping[str, Json] = field(default_factory=dict[str, Json])
    extra: Mapping[str, Json] = field(default_factory=dict[str, Json])
    lineage: Lineage = field(default=Lineage("", "1", 0, ()))
    previews: bool = True
    steps: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    pictures: list[Preview] = field(default_factory=list[Preview])
    said: list[str] = field(default_factory=list[str])

    def resource(self, kind: type[T]) -> T:
        found = self.resources[kind]
        assert isinstance(found, kind)
        return found

    def progress(self, value: int, total: int, preview: Preview | None = None) -> None:
        self.steps.append((value, total))
        if preview:
            self.pictures.append(preview)

    def say(self, text: str) -> None:
        self.said.append(text)

    def check_stop(self) -> None: ...
