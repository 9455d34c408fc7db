"""A pack's own SaveImage: derived, with a folder, a kind and a level of its own."""
import os

import folder_paths
import torch
from nodes import SaveImage


class Saves(SaveImage):
    def __init__(self):
        super().__init__()
        self.output_dir = folder_paths.get_temp_directory()
        self.type = "temp"
        self.prefix_append = "_small"
        self.compress_level = 0

    INPUT_TYPES = classmethod(lambda cls: {"required": {}, "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}})
    FUNCTION = "save"

    def save(self, prompt=None, extra_pnginfo=None):
        made = self.save_images(torch.zeros(2, 4, 4, 3), "two", prompt, extra_pnginfo)
        files = made["ui"]["images"]
        there = [os.path.isfile(os.path.join(self.output_dir, file["filename"])) for file in files]
        made["ui"]["said"] = [len(files), files[0]["type"], files[0]["filename"].startswith("two_small"), all(there)]
        return made


NODE_CLASS_MAPPINGS = {"saves_pictures": Saves}
