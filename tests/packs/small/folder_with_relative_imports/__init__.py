"""A folder whose modules import one another, relative and in a circle, below a subpackage."""
from .inner import words
from .inner.nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
assert words.LOUD
