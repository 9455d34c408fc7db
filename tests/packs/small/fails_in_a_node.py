"""An exception of a node: its message and its kind are told."""


class Fails:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        raise ValueError("the jar is empty")


NODE_CLASS_MAPPINGS = {"fails_in_a_node": Fails}
