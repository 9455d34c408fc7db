"""INPUT_TYPES without "required"."""


class Optional:
    INPUT_TYPES = classmethod(lambda cls: {"optional": {"value": ("INT", {"default": 5})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value=None):
        return {"ui": {"said": [value]}}


NODE_CLASS_MAPPINGS = {"only_optional": Optional}
