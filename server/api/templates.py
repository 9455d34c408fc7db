"""Workflows to begin with that Weft brings: the one that a new person sees, and those to learn by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nodes.spec import Json


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow to begin with: its file's name without the ending, and what it is called and is for."""

    name: str
    title: str
    description: str

    @property
    def told(self) -> Mapping[str, Json]:
        """As lists of templates have it."""
        return {
            "name": self.name,
            "title": self.title,
            "mediaType": "image",
            "mediaSubtype": "webp",
            "description": self.description,
        }


DEFAULT = Template("default", "Text to image", "A picture from words, with the model that comes with Weft.")
TEMPLATES = (
    DEFAULT,
    Template(
        "forward_process", "Watch the forward process", "A picture drowns in noise, and what a sigma is. To learn by doing."
    ),
    Template(
        "compare_samplers", "Compare samplers", "Four ways down from the same noise, side by side. To learn by doing."
    ),
    Template("guidance", "Feel guidance", "The same noise at cfg 1, 2, 4 and 12, side by side. To learn by doing."),
)  # fmt: skip


def file(name: str, default: Path, folder: Path) -> Path | None:
    """The file of a template; None if we bring none of that name.

    Args:
        default: the workflow that a new person sees. folder: where the others lie.
    """
    if name == DEFAULT.name:
        return default
    return next((folder / f"{known.name}.json" for known in TEMPLATES if known.name == name), None)
