"""Objects of a pack's own classes, functions and arrays cross from node to node as they are."""
import numpy


class Thing:
    def __init__(self, value):
        self.value = value


class Gives:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ("THING", "FUNCTION", "ARRAY")
    FUNCTION = "run"

    def run(self):
        return (Thing(3), lambda value: value + 1, numpy.arange(4))


class Takes:
    INPUT_TYPES = classmethod(
        lambda cls: {"required": {"thing": ("THING",), "function": ("FUNCTION",), "array": ("ARRAY",)}}
    )
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, thing, function, array):
        return {"ui": {"said": [isinstance(thing, Thing), function(thing.value), int(array.sum())]}}


NODE_CLASS_MAPPINGS = {"values_of_their_own.gives": Gives, "values_of_their_own": Takes}
