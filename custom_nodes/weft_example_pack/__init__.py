"""An example pack: two nodes and every part that a pack usually has. Copy the folder, rename it, change it.

Whoever loads a pack imports this file and reads two dictionaries from it: which classes are nodes, and what
they are called on the canvas. The ids (the keys) stand in people's saved workflows: never change one that you
have published, and begin it with your own name.
"""

from .nodes import Gradient, Tint

NODE_CLASS_MAPPINGS = {
    "WeftExampleGradient": Gradient,
    "WeftExampleTint": Tint,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "WeftExampleGradient": "Gradient (example)",
    "WeftExampleTint": "Tint (example)",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
