"""Plain values as nodes, so that one value can feed many inputs."""

from typing import Annotated

from nodes.spec import Boolean, Context, Float, Int, Out, String, node

WIDEST = 2**63 - 1


@node("PrimitiveInt", name="Int", category="utils/primitive")
def primitive_int(
    ctx: Context, value: Annotated[int, Int(minimum=-WIDEST, maximum=WIDEST, seed=True)]
) -> Annotated[int, Out("INT")]:
    """A whole number."""
    return value


@node("PrimitiveFloat", name="Float", category="utils/primitive")
def primitive_float(
    ctx: Context, value: Annotated[float, Float(minimum=-WIDEST, maximum=WIDEST, step=0.1)]
) -> Annotated[float, Out("FLOAT")]:
    """A number."""
    return value


@node("PrimitiveString", name="String", category="utils/primitive")
def primitive_string(
    ctx: Context, value: Annotated[str, String(extra={"multiline": False})]
) -> Annotated[str, Out("STRING")]:
    """A line of text."""
    return value


@node("PrimitiveStringMultiline", name="String (Multiline)", category="utils/primitive")
def primitive_string_multiline(
    ctx: Context, value: Annotated[str, String(multiline=True)]
) -> Annotated[str, Out("STRING")]:
    """Lines of text."""
    return value


@node("PrimitiveBoolean", name="Boolean", category="utils/primitive")
def primitive_boolean(ctx: Context, value: Annotated[bool, Boolean()]) -> Annotated[bool, Out("BOOLEAN")]:
    """On or off."""
    return value


NODES = (primitive_int, primitive_float, primitive_string, primitive_string_multiline, primitive_boolean)
