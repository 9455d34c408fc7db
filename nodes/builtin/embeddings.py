"""Learned embeddings: what a prompt calls `embedding:name`, from the workspace's folder of that name."""

from torch import Tensor

from nodes.builtin.models import safe
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.embeddings import read_embedding
from nodes.diffusion.text import FindVectors
from nodes.spec import Context, NodeError

FOLDER = "embeddings"


def embeddings(ctx: Context) -> FindVectors:
    """Finds the vectors of a name for an encoder; a file that cannot be read is told on the node and left out."""
    listed = tuple(ctx.files.choices(FOLDER))

    def find(name: str, encoder: str) -> Tensor | None:
        found = _file(name, listed)
        if found is None:
            return None
        try:
            return read_embedding(safe(ctx, ctx.files.find(FOLDER, found)), encoder)
        except (DiffusionError, NodeError) as error:
            ctx.say(f"The embedding {name} was left out of the prompt: {error}")
            return None

    return find


def _file(name: str, listed: tuple[str, ...]) -> str | None:
    """The listed file that a prompt means: its name with or without the ending, letter by letter."""
    for entry in listed:
        plain = entry.replace("\\", "/")
        if name.replace("\\", "/") in (plain, plain.rpartition(".")[0]):
            return entry
    return None
