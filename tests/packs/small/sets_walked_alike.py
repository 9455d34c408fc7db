"""Python's hashes of words are the same at each start, so that a node that walks a set gives the same again."""


class Hashes:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [str(hash("a word"))]}}


NODE_CLASS_MAPPINGS = {"sets_walked_alike": Hashes}
