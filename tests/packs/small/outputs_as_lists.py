"""RETURN_TYPES, RETURN_NAMES and OUTPUT_IS_LIST may be lists; a list of values is run item by item."""


class Gives:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"count": ("INT", {"default": 3})}})
    RETURN_TYPES = ["INT", "INT"]
    RETURN_NAMES = ["each", "count"]
    OUTPUT_IS_LIST = [True, False]
    FUNCTION = "run"

    def run(self, count):
        return (list(range(count)), count)


class Each:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {}), "by": ("INT", {})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value, by):
        return {"ui": {"said": [value * by]}}


NODE_CLASS_MAPPINGS = {"outputs_as_lists.gives": Gives, "outputs_as_lists": Each}
