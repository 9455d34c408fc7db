"""What faces of our recipes share: the node that uses them, its loaded models, and what is not offered."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

from nodes.builtin.models import models
from nodes.compat import current
from nodes.diffusion.pool import Session
from nodes.spec import Context, NodeError


def context() -> Context:
    """Of the node that runs.

    Raises:
        NodeError: none does.
    """
    call = current.running()
    if call is None:
        raise NodeError(
            "A model was used while no node runs.",
            "Tell the pack's author: models can be used from a node's own function alone.",
        )
    return call.context


@contextmanager
def session() -> Iterator[Session]:
    """Loaded models, for the node that runs."""
    with models(context()) as loaded:
        yield loaded


class Face:
    """Something of the host around a recipe.

    Args:
        recipe: what it becomes at the border.
    """

    recipe: Any

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def inside(self) -> object:
        """What it becomes at the border."""
        return self.recipe

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Face) and self.recipe == other.recipe

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.recipe))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"Weft's {type(self).__name__} has no {name!r}: this part of the host is not offered to packs yet.",
            name=name,
            obj=self,
        )

    def clone(self) -> Any:
        """Another one like it; changing either leaves the other alone."""
        return copy(self)
