"""An output whose type is unequal to none goes into every input."""


class Any(str):
    def __ne__(self, other):
        return False

    __hash__ = str.__hash__


class Gives:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = (Any("anything at all"),)
    FUNCTION = "run"

    def run(self):
        return (5,)


class Takes:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"a": ("INT", {}), "b": (Any("*"), {})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, a, b):
        return {"ui": {"said": [a, b]}}


NODE_CLASS_MAPPINGS = {"type_equal_to_all.gives": Gives, "type_equal_to_all": Takes}
