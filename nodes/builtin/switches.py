"""One of several: a switch that computes only the side it gives, and a choice from a list of one's own."""

from collections.abc import Sequence
from typing import Annotated

from nodes.spec import MATCH, Boolean, Context, Json, Out, Socket, node

TEMPLATE: dict[str, Json] = {"template_id": "switch", "allowed_types": "*"}
Side = Annotated[object, Socket(MATCH, lazy=True, extra={"template": TEMPLATE})]


def _side(ctx: Context, switch: bool, **_sides: object) -> Sequence[str]:
    return ["on_true" if switch else "on_false"]


@node("ComfySwitchNode", name="Switch", category="logic", needs=_side, experimental=True)
def switch_sides(
    ctx: Context, switch: Annotated[bool, Boolean()], on_false: Side = None, on_true: Side = None
) -> Annotated[object, Out(MATCH, "output")]:
    """What comes in on one of two sides. The other side is not computed."""
    return on_true if switch else on_false


NODES = (switch_sides,)
