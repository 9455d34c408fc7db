"""A WEB_DIRECTORY that does not exist is no error."""
WEB_DIRECTORY = "nowhere"


class Fine:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": ["fine"]}}


NODE_CLASS_MAPPINGS = {"web_directory_missing": Fine}
