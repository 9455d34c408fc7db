"""A class whose INPUT_TYPES raises is left out; its neighbours stay."""


class Broken:
    RETURN_TYPES = ()
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        raise KeyError("not today")


class Whole:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": ["whole"]}}


NODE_CLASS_MAPPINGS = {"one_broken_class.broken": Broken, "one_broken_class": Whole}
