"""What a checkpoint does not hold, as a value that says so to whoever needs it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands where a text encoder or a VAE would be, for one that a checkpoint does not hold.

    Attributes:
        message: what is missing of which file. hint: which loader brings it.
    """

    message: str
    hint: str
