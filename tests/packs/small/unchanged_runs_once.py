"""Without IS_CHANGED a node with the same inputs runs once; its state stays with it."""


class Counts:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {"default": 0})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def __init__(self):
        self.runs = 0

    def run(self, value):
        self.runs += 1
        return {"ui": {"said": [self.runs]}}


NODE_CLASS_MAPPINGS = {"unchanged_runs_once": Counts}
