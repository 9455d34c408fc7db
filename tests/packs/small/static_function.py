"""A node's function may be static, or belong to its class."""


class Static:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {"default": 2})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    @staticmethod
    def run(value):
        return {"ui": {"said": [value + 1]}}


class OfClass(Static):
    @classmethod
    def run(cls, value):
        return {"ui": {"said": [cls.__name__, value]}}


NODE_CLASS_MAPPINGS = {"static_function": Static, "static_function.of_class": OfClass}
