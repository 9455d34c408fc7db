"""`prestartup_script.py` runs first, before torch is imported and before any pack."""
import os


class First:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [os.environ.get("WEFT_SMALL_PACK_PRESTARTED")]}}


NODE_CLASS_MAPPINGS = {"prestartup_before_torch": First}
