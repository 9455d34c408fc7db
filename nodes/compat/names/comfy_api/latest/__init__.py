"""`comfy_api.latest`."""

from PIL import Image

from nodes.compat.names.comfy import utils
from nodes.compat.names.comfy_api.latest import io, ui
from nodes.compat.names.comfy_api.latest.values import Input, InputImpl, Types

IO, UI = io, ui


class _Execution:
    """What a node tells of itself while it runs."""

    async def set_progress(self, value, max_value, node_id=None, preview_image=None, ignore_size_limit=False):
        """So much of so much; a picture (PIL, or a tensor [height width channel] in 0..1) goes beside it."""
        _told(value, max_value, node_id, preview_image)


class _ExecutionSync:
    """The same, for functions that do not wait."""

    def set_progress(self, value, max_value, node_id=None, preview_image=None, ignore_size_limit=False):
        _told(value, max_value, node_id, preview_image)


def _told(value, total, node_id, picture):
    if hasattr(picture, "detach"):
        plane = picture.detach().cpu().float()
        plane = plane[0] if plane.ndim == 4 else plane
        picture = Image.fromarray((plane.clamp(0, 1) * 255).round().byte().numpy())
    preview = None if picture is None else ("JPEG", picture, 512)
    utils.ProgressBar(total, node_id=node_id).update_absolute(value, total, preview)


class ComfyAPI:
    """What packs of the second form ask of their host."""

    def __init__(self):
        self.execution = _Execution()


class ComfyAPISync:
    """The same, for functions that do not wait."""

    def __init__(self):
        self.execution = _ExecutionSync()


ComfyAPI_latest = ComfyAPI


class ComfyExtension:
    """What `comfy_entrypoint` of a pack gives."""

    async def on_load(self):
        """Called before the nodes are asked for."""

    async def get_node_list(self):
        raise NotImplementedError


__all__ = [
    "IO",
    "UI",
    "ComfyAPI",
    "ComfyAPISync",
    "ComfyExtension",
    "Input",
    "InputImpl",
    "Types",
    "io",
    "ui",
]
