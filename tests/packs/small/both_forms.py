"""Mappings count where a pack has an entrypoint too."""


class Node:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": ["mappings"]}}


async def comfy_entrypoint():
    raise RuntimeError("nobody asks")


NODE_CLASS_MAPPINGS = {"both_forms": Node}
