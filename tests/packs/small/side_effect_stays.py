"""What a pack did at import stays, also of one that turned out to be none."""
import os


class Stays:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [os.environ.get("WEFT_SMALL_PACK_SIDE_EFFECT")]}}


NODE_CLASS_MAPPINGS = {"side_effect_stays": Stays}
