"""`comfy_execution.graph`."""

from nodes.compat.convert import BlockerFace as ExecutionBlocker

__all__ = ["ExecutionBlocker"]
