"""IS_CHANGED that gives NaN: the node runs each time."""


class Counts:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    runs = 0

    @classmethod
    def IS_CHANGED(cls, **given):
        return float("nan")

    def run(self):
        Counts.runs += 1
        return {"ui": {"said": [Counts.runs]}}


NODE_CLASS_MAPPINGS = {"changed_each_time": Counts}
