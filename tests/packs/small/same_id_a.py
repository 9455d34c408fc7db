"""Two packs give one id: the later one counts (the first)."""


class Node:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": ["a"]}}


NODE_CLASS_MAPPINGS = {"same_id": Node}
