"""How a node stands in for one that is gone: workflows that name the old one run on with the new."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodes.spec.sockets import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One old node that a node stands in for.

    Attributes:
        old: class type of the node that is gone.
        inputs: by the name of an input of the new node, the old one's that feeds it; None: their names are the same.
        values: inputs of the new node that the old one did not have, and what they are set to.
        outputs: by slot of the old node, the new one's slot; None: they are the same.
        widgets: the old node's widgets in the order in which workflow files list their values; None if the names do.
    """

    old: str
    inputs: Mapping[str, str] | None = None
    values: Mapping[str, Json] = field(default_factory=dict[str, Json])
    outputs: Mapping[int, int] | None = None
    widgets: tuple[str, ...] | None = None
