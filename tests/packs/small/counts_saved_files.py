"""get_save_image_path: the next number, subfolders, sizes in names."""
import os

import folder_paths


class Saves:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        temp = folder_paths.get_temp_directory()
        folder, name, number, below, prefix = folder_paths.get_save_image_path("deep/s_%width%", temp, 8, 16)
        for file in ("s_8_00007_.png", "s_8_9_x_.png", "s_8x_00099_.png"):
            with open(os.path.join(folder, file), "w"):
                pass
        again = folder_paths.get_save_image_path("deep/s_%width%", temp, 8, 16)
        try:
            folder_paths.get_save_image_path("../../out", temp)
            outside = "allowed"
        except Exception:
            outside = "refused"
        return {"ui": {"said": [os.path.isdir(folder), name, number, below, prefix, again[2], outside]}}


NODE_CLASS_MAPPINGS = {"counts_saved_files": Saves}
