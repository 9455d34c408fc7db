"""One file is a pack."""


class Half:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("FLOAT", {"default": 3.0})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value):
        return {"ui": {"said": [value / 2]}}


NODE_CLASS_MAPPINGS = {"single_file": Half}
