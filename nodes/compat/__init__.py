"""Community packs in ComfyUI's protocol: found, imported, adapted to our nodes. Delete this room and all else works."""

from nodes.compat.packs import Loaded, Packs
from nodes.compat.places import Places

__all__ = ["Loaded", "Packs", "Places"]
