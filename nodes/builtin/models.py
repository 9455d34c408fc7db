"""The way from nodes to models: files to references, recipes to loaded networks, the library's errors to the person's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.conversion import Conversions
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.pool import Pool, Session
from nodes.diffusion.values import CheckpointRef, Clip
from nodes.spec import Context, NodeError


@contextmanager
def models(ctx: Context) -> Iterator[Session]:
    """Loaded models while the context is open; Stop is answered between the blocks of their networks.

    Raises:
        NodeError: a file is missing, damaged, or of another kind.
    """
    with told(), ctx.resource(Pool).session(ctx.check_stop) as session:
        yield session


def reference(ctx: Context, folder: str, name: str) -> CheckpointRef:
    """A listed file or model folder with the hash of its content; of one that could run code, its converted form.

    Raises:
        NodeError: there is none of that name, or it cannot be converted.
    """
    path = safe(ctx, ctx.files.find(folder, name))
    with told():
        return ctx.resource(ContentHashes).reference(path)


def safe(ctx: Context, path: Path) -> Path:
    """A file that can be opened without harm: itself, or what it is converted to, once.

    Raises:
        NodeError: it cannot be converted.
    """
    try:
        conversions = ctx.resource(Conversions)
    except LookupError:  # a worker without them: whoever opens the file says that it is refused
        return path
    with told():
        return conversions.safe(path, ctx.check_stop)


@contextmanager
def told() -> Iterator[None]:
    """The library's errors as errors of the node."""
    try:
        yield
    except DiffusionError as error:
        raise NodeError(error.message, error.hint) from error


def there(clip: Clip | None) -> Clip:
    """The text encoder.

    Raises:
        NodeError: the checkpoint brought none.
    """
    if clip is None:
        raise NodeError(
            "The checkpoint brought no text encoder.",
            "Load one that has it, or connect CLIP from another loader.",
        )
    return clip
