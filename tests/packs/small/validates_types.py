"""VALIDATE_INPUTS(input_types): the pack judges the types of links itself."""


class Takes:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("A_TYPE_OF_ITS_OWN", {})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True if input_types["value"] == "INT" else f"no {input_types['value']}, please"

    def run(self, value):
        return {"ui": {"said": [value]}}


class Gives:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ("INT", "STRING")
    FUNCTION = "run"

    def run(self):
        return (9, "nine")


NODE_CLASS_MAPPINGS = {"validates_types": Takes, "validates_types.gives": Gives}
