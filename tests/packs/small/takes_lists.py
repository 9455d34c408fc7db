"""INPUT_IS_LIST: every input comes as a list, typed values too."""


class All:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {}), "by": ("INT", {"default": 2})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    INPUT_IS_LIST = True
    OUTPUT_NODE = True

    def run(self, value, by):
        return {"ui": {"said": [sum(value) * by[0]]}}


NODE_CLASS_MAPPINGS = {"takes_lists": All}
