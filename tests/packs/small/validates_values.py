"""VALIDATE_INPUTS by name and with **kwargs: it may allow what a list does not have, and refuse with words."""


class Checks:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"mode": (["a", "b"],), "count": ("INT", {"max": 3})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    @classmethod
    def VALIDATE_INPUTS(cls, mode, **more):
        return "not z, please" if mode == "z" else True

    def run(self, mode, count):
        return {"ui": {"said": [mode, count]}}


NODE_CLASS_MAPPINGS = {"validates_values": Checks}
