"""Community packs in ComfyUI's protocol: found, imported, adapted to our nodes. Delete this room and all else works.

Nothing is imported here: `early` runs before torch is.
"""
