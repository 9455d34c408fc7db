"""nodes.interrupt_processing and InterruptProcessingException, which no `except Exception` swallows."""
import comfy.model_management
import nodes


class Stops:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        try:
            nodes.interrupt_processing()
            comfy.model_management.throw_exception_if_processing_interrupted()
        except Exception:
            return {"ui": {"said": ["swallowed"]}}
        return {"ui": {"said": ["went on"]}}


NODE_CLASS_MAPPINGS = {"stops_itself": Stops}
