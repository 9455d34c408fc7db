"""A pack is filed in sys.modules under its path, dots written out."""
import os
import sys


class Where:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        wanted = os.path.splitext(os.path.abspath(__file__))[0].replace(".", "_x_")
        return {"ui": {"said": [__name__ == wanted, sys.modules[__name__].Where is Where]}}


NODE_CLASS_MAPPINGS = {"name_in_sys_modules": Where}
