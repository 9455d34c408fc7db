"""Packs try where a name was in other versions of the host: what is gone raises ImportError, so that they go on."""
FOUND = []
try:
    from comfy.a_module_that_never_was import Something
except ImportError:
    FOUND.append("no module")
try:
    from comfy_extras.nodes_that_never_were import Something  # noqa: F811
except ImportError:
    FOUND.append("no extras")
try:
    import comfy_extras.nodes_mask as masks

    masks.a_name_that_never_was
except AttributeError:
    FOUND.append("no name")


class Found:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": FOUND}}


NODE_CLASS_MAPPINGS = {"tries_other_homes": Found}
