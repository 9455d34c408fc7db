"""check_lazy_status names the inputs that a node wants; the others are not made."""
MADE = []


class Makes:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"name": ("STRING", {})}})
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    def run(self, name):
        MADE.append(name)
        return (name,)


class Switch:
    INPUT_TYPES = classmethod(
        lambda cls: {
            "required": {
                "first": ("BOOLEAN", {"default": True}),
                "a": ("STRING", {"lazy": True}),
                "b": ("STRING", {"lazy": True}),
            }
        }
    )
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def check_lazy_status(self, first, a=None, b=None):
        return [name for name, value in (("a", a), ("b", b)) if value is None and (name == "a") == first]

    def run(self, first, a=None, b=None):
        return {"ui": {"said": [a, b, *MADE]}}


NODE_CLASS_MAPPINGS = {"decides_lazily.makes": Makes, "decides_lazily": Switch}
