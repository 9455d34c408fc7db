"""Results as a list, as a tuple that is too short, as a dict with result and ui, as nothing."""


class Node:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"


class AsList(Node):
    def run(self):
        return [1]


class AsDict(Node):
    def run(self):
        return {"result": (2,), "ui": {"text": "beside"}}


class Shows:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"a": ("INT", {}), "b": ("INT", {})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, a, b):
        return {"ui": {"said": [a, b]}}


class Nothing:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return None


NODE_CLASS_MAPPINGS = {
    "results_in_every_form": Shows,
    "results_in_every_form.list": AsList,
    "results_in_every_form.dict": AsDict,
    "results_in_every_form.nothing": Nothing,
}
