"""`custom_nodes` can be imported, and packs in it."""
import importlib

import custom_nodes


class Package:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        other = importlib.import_module("custom_nodes.single_file")
        return {"ui": {"said": [custom_nodes.__name__, other.NODE_CLASS_MAPPINGS["single_file"].FUNCTION]}}


NODE_CLASS_MAPPINGS = {"custom_nodes_is_a_package": Package}
