"""A class put into nodes.NODE_CLASS_MAPPINGS by hand is found there by others at call time."""
import nodes


class Hidden:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    def run(self):
        return (7,)


class Calls:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        by_hand = nodes.NODE_CLASS_MAPPINGS["by_hand"]
        other = nodes.NODE_CLASS_MAPPINGS["single_file"]
        return {"ui": {"said": [getattr(by_hand(), by_hand.FUNCTION)()[0], other().run(5.0)["ui"]["said"][0]]}}


nodes.NODE_CLASS_MAPPINGS["by_hand"] = Hidden
NODE_CLASS_MAPPINGS = {"mappings_added_by_hand": Calls}
