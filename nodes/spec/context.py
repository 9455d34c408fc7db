"""What a running node may ask of its surroundings: files, progress, Stop, and shared resources."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from nodes.spec.files import Files
from nodes.spec.lineage import Lineage
from nodes.spec.sockets import Json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Preview:
    """A small picture of work in progress: encoded bytes and their kind ("jpeg" or "png")."""

    data: bytes
    kind: str = "jpeg"


@runtime_checkable
class Context(Protocol):
    """The door from a node to everything outside its inputs."""

    @property
    def node_id(self) -> str:
        """Id of the node in the running graph."""
        ...

    @property
    def prompt(self) -> Mapping[str, Json]:
        """The whole prompt as it was sent, for writing into pictures."""
        ...

    @property
    def extra(self) -> Mapping[str, Json]:
        """What the client sent beside the prompt: `extra_pnginfo` (with the workflow) and the like."""
        ...

    @property
    def lineage(self) -> Lineage:
        """Where what this node is given comes from, for writing into files."""
        ...

    @property
    def files(self) -> Files:
        """The workspace's files."""
        ...

    @property
    def previews(self) -> bool:
        """Whether anyone looks at previews; making them costs time."""
        ...

    def resource(self, kind: type[T]) -> T:
        """The worker's one object of that type (the model pool, the content index...).

        Raises:
            LookupError: the worker was built without one.
        """
        ...

    def progress(self, value: int, total: int, preview: Preview | None = None) -> None:
        """Say that `value` of `total` steps are done. Also a place where Stop is answered.

        Raises:
            Stopped: the person pressed Stop.
        """
        ...

    def say(self, text: str) -> None:
        """Show a line of text on the node."""
        ...

    def check_stop(self) -> None:
        """Raise `Stopped` if the person pressed Stop; call it inside anything long."""
        ...
