"""What packs have changed on a model, as a value that its recipe carries, and what is read of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nodes.compat.surgery.content import content_of

PER_CHECKPOINT = "transformer_options"
PLAIN = "ModelPatcher"


def empty_options() -> dict[str, Any]:
    """The options of a model that nobody has changed."""
    return {PER_CHECKPOINT: {}}


@dataclass(frozen=True, slots=True, eq=False)
class Changed:
    """The state of a patcher beside its recipe. Nothing in it is changed once a recipe has it.

    Attributes:
        options: `model_options`. objects: object patches by name.
        wrappers, callbacks: by kind and key.
        attachments, injections, additional_models: by key, as packs gave them.
        maker: of which class the patcher is.
        origin: a copy of the patcher itself, which has all this.
        content: equal where all this is.
    """

    options: Mapping[str, Any]
    objects: Mapping[str, Any]
    wrappers: Mapping[Any, Any]
    callbacks: Mapping[Any, Any]
    attachments: Mapping[Any, Any]
    injections: Mapping[Any, Any]
    additional_models: Mapping[Any, Any]
    maker: str
    origin: Any = field(compare=False)
    content: str = field(init=False)

    def __post_init__(self) -> None:
        told = [getattr(self, entry.name) for entry in fields(self) if entry.init and entry.compare]
        object.__setattr__(self, "content", content_of(told))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Changed) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        kept = (self.wrappers, self.callbacks, self.attachments, self.injections, self.additional_models)
        plain = self.maker == PLAIN and not self.objects and not any(kept)
        return not plain or dict(self.options) != empty_options()


def copied(value: Any) -> Any:
    """A copy of dicts and lists, at any depth; what they hold is the same."""
    if isinstance(value, dict):
        return {name: copied(entry) for name, entry in value.items()}
    return [copied(entry) for entry in value] if isinstance(value, list) else value
