from ..inner import words

MARK = "!"


class Shout:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"text": ("STRING", {"default": "loud"})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, text):
        return {"ui": {"said": [words.shout(text)]}}


NODE_CLASS_MAPPINGS = {"folder_with_relative_imports": Shout}
NODE_DISPLAY_NAME_MAPPINGS = {"folder_with_relative_imports": "Shout 📢"}
