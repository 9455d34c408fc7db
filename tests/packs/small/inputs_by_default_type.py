"""A dict that knows a default for every name, as well as some by name."""


class Flexible(dict):
    def __init__(self, type, data):
        super().__init__(data)
        self.type = type

    def __getitem__(self, key):
        return dict.get(self, key, (self.type,))

    def __contains__(self, key):
        return True


class Adds:
    INPUT_TYPES = classmethod(
        lambda cls: {"required": {}, "optional": Flexible("INT", {"a": ("INT", {"default": 1})})}
    )
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, a=0, **more):
        return {"ui": {"said": [a + sum(more.values())]}}


NODE_CLASS_MAPPINGS = {"inputs_by_default_type": Adds}
