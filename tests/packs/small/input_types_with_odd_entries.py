"""Inputs given as lists instead of tuples, without options, with options that are None-like, and a bare type."""


class Odd:
    INPUT_TYPES = classmethod(
        lambda cls: {
            "required": {"a": ["INT", {"default": 1}], "b": ("FLOAT",), "c": (("x", "y"),)},
            "optional": {"d": ("STRING", {}), "e": ([1, 2, 3], {"default": 2})},
        }
    )
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, a, b, c, d="none", e=0):
        return {"ui": {"said": [a, b, c, d, e]}}


NODE_CLASS_MAPPINGS = {"input_types_with_odd_entries": Odd}
