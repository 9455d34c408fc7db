"""A folder that puts itself on sys.path and imports its own files by bare names."""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import plain_words_of_a_small_pack  # noqa: E402


class Word:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [plain_words_of_a_small_pack.WORD]}}


NODE_CLASS_MAPPINGS = {"plain_imports_beside": Word}
