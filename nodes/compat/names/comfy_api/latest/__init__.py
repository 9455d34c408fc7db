"""`comfy_api.latest`."""

from nodes.compat.names.comfy_api.latest import io, ui
from nodes.compat.names.comfy_api.latest.values import Input, InputImpl, Types

IO, UI = io, ui


class ComfyExtension:
    """What `comfy_entrypoint` of a pack gives."""

    async def on_load(self):
        """Called before the nodes are asked for."""

    async def get_node_list(self):
        raise NotImplementedError


__all__ = ["IO", "UI", "ComfyExtension", "Input", "InputImpl", "Types", "io", "ui"]
