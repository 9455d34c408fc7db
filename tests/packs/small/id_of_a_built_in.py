"""The id of a built-in node cannot be taken: the built-in one stays."""


class EmptyImage:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self):
        return ("taken",)


NODE_CLASS_MAPPINGS = {"EmptyImage": EmptyImage}
