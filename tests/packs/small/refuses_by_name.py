"""A stand-in refuses at use, naming itself, the pack and the node."""
from comfy.text_encoders.t5 import T5


class Uses:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        T5({}, None, None, None)
        return {}


NODE_CLASS_MAPPINGS = {"refuses_by_name": Uses}
