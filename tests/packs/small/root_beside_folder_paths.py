"""The root is found from folder_paths.__file__; custom_nodes, models and web/extensions lie or can be made there."""
import os

import folder_paths

ROOT = os.path.dirname(folder_paths.__file__)
EXTENSIONS = os.path.join(ROOT, "web", "extensions", "small_pack")
os.makedirs(EXTENSIONS, exist_ok=True)


class Root:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        mine = os.path.dirname(os.path.realpath(__file__))
        there = os.path.realpath(os.path.join(ROOT, "custom_nodes"))
        return {"ui": {"said": [there == mine, os.path.isdir(EXTENSIONS), os.path.isdir(folder_paths.base_path)]}}


NODE_CLASS_MAPPINGS = {"root_beside_folder_paths": Root}
