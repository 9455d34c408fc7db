"""A node whose method, types and flags come from a base class of the pack."""


class Base:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {"default": 2})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    BY = 1

    def run(self, value):
        return {"ui": {"said": [value * self.BY]}}


class Triples(Base):
    BY = 3


NODE_CLASS_MAPPINGS = {"function_inherited": Triples}
