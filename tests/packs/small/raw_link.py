"""rawLink: the node gets where the link comes from, not what it carries."""


class Raw:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {"rawLink": True})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value):
        return {"ui": {"said": value}}


NODE_CLASS_MAPPINGS = {"raw_link": Raw}
