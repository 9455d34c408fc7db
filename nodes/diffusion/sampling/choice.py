"""A sampler with its options, as a value that travels between nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Option = bool | int | float | str | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SamplerChoice:
    """Which sampler, and what was set on it; equal by content.

    Attributes:
        name: of the table of samplers.
        options: keywords of its function with their values, by name in order; others keep their defaults.
        own: what does the run instead (`loop.RunsItself`), whatever the name; None: the table's.
    """

    name: str
    options: tuple[tuple[str, Option], ...] = ()
    own: object = field(default=None)


def chosen(name: str, options: Mapping[str, Option]) -> SamplerChoice:
    """A choice whose options are in order, so that equal ones are equal."""
    return SamplerChoice(name, tuple(sorted(options.items())))
