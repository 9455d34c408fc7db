"""What can be wrong with files of models, said so that the person at the canvas knows what to do."""

from pathlib import Path

import torch

NO_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "bad_alloc",
)  # in what torch says where it has no kind of its own


class DiffusionError(Exception):
    """Something this library cannot do, in words fit for the canvas.

    Attributes:
        message: what is wrong, with the file's name.
        hint: what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["DiffusionError"], tuple[str, str]]:
        """Cross a process border as a plain DiffusionError: subclasses have other constructors."""
        return (DiffusionError, (self.message, self.hint))


def is_no_memory(error: BaseException) -> bool:
    """Whether memory ran out: a card's, or the machine's, which torch tells as an error like any other."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)


class CheckpointMissing(DiffusionError):
    """A file or folder is gone."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no file {path.name}.", f"Put it into {path.parent}, then refresh the list."
        )


class CheckpointUnreadable(DiffusionError):
    """A file is damaged or of a kind that is not read."""

    def __init__(self, path: Path, what: str, hint: str) -> None:
        super().__init__(f"{path.name} cannot be read: {what}.", hint)


class CheckpointUnknown(DiffusionError):
    """A file is sound, but of no family that this library knows, or of another kind than was asked for."""

    def __init__(self, path: Path, wanted: str, found: str) -> None:
        super().__init__(
            f"{path.name} is not {wanted}: {found}.",
            "Choose another file, or move this one to the folder of its kind.",
        )


class PartMissing(DiffusionError):
    """A checkpoint lacks one of its parts."""

    def __init__(self, path: Path, part: str, loader: str) -> None:
        super().__init__(f"{path.name} holds no {part}.", f"Load one with {loader} and connect that.")


class NothingSaid(DiffusionError):
    """A conditioning without a single condition is to steer a run."""

    def __init__(self) -> None:
        super().__init__(
            "The positive conditioning is empty: it holds no prompt.",
            "Connect a node that reads one, such as CLIP Text Encode; an empty text is a prompt too.",
        )


class ContextMismatch(DiffusionError):
    """A prompt was read for another family of models than the one that it shall steer."""

    def __init__(self, given: int, wanted: int) -> None:
        families = {
            768: "Stable Diffusion 1",
            1024: "Stable Diffusion 2",
            1280: "the Stable Diffusion XL refiner",
            2048: "Stable Diffusion XL",
            4096: "Stable Diffusion 3, Flux or another model that reads T5",
        }
        ours = families.get(wanted, f"{wanted} features a token")
        theirs = families.get(given, f"{given} features a token")
        super().__init__(
            f"The prompt was read for {theirs}, and the model reads text for {ours}.",
            "Connect the CLIP of the same checkpoint as the model to the node that reads the prompt.",
        )
