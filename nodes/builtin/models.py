"""The way from nodes to models: files to references, recipes to loaded networks, the library's errors to the person's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from nodes.diffusion.absent import Absent
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.memory.foresight import Foresight
from nodes.diffusion.models.conversion import Conversions
from nodes.diffusion.models.detect import Part
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.pool import Pool, Session
from nodes.diffusion.values import CheckpointRef, Clip, Latent, Model, ModelSettings, Vae
from nodes.spec import Context, NodeError

_Recipe = TypeVar("_Recipe", Clip, Vae)


@contextmanager
def models(ctx: Context, model: Model | None = None, latents: Latent | None = None) -> Iterator[Session]:
    """Loaded models while the context is open; Stop is answered between the blocks of their networks.

    Args:
        model, latents: what is to be sampled, so that the device keeps as much room for it as it takes.

    Raises:
        NodeError: a file is missing, damaged, or of another kind.
    """
    with told():
        pool, room = ctx.resource(Pool), None
        if pool.house.budget.device is not None and model is not None and latents is not None:
            room = _room(ctx, model, latents)
        with pool.session(ctx.check_stop, room) as session:
            yield session


def _room(ctx: Context, model: Model, latents: Latent) -> int | None:
    try:
        foresight = ctx.resource(Foresight)
    except LookupError:  # a worker without one keeps what its budget says
        return None
    return foresight.computing(model.checkpoint.path, latents.samples.shape)


def expect(ctx: Context, file: CheckpointRef, *parts: Part, settings: ModelSettings | None = None) -> None:
    """Tell the pool what a loader gives, so that it is read while something else computes."""
    try:
        pool = ctx.resource(Pool)
    except LookupError:  # there is nobody to read it
        return
    for part in parts:
        pool.expect(part, file, settings)


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


def present(value: _Recipe | Absent | None) -> _Recipe | None:
    """A recipe, where there is one."""
    return None if isinstance(value, Absent) else value


def there(clip: Clip | Absent | None) -> Clip:
    """The text encoder.

    Raises:
        NodeError: the checkpoint brought none.
    """
    if isinstance(clip, Absent):
        raise NodeError(clip.message, clip.hint)
    if clip is None:
        raise NodeError(
            "The checkpoint brought no text encoder.",
            "Load one that has it, or connect CLIP from another loader.",
        )
    return clip
