"""folder_paths: lists, full paths, folders of a pack's own, dict entries assigned and extended."""
import os

import folder_paths

OWN = os.path.join(folder_paths.get_temp_directory(), "small_own")
os.makedirs(OWN, exist_ok=True)
for name in ("b.safetensors", "a.bin", "c.txt"):
    with open(os.path.join(OWN, name), "w"):
        pass
folder_paths.add_model_folder_path("small_own", OWN)
folder_paths.folder_names_and_paths["small_two"] = ([OWN], {".txt"})
folder_paths.folder_names_and_paths["small_three"] = ([OWN], folder_paths.supported_pt_extensions)
folder_paths.supported_pt_extensions.update({".small"})


class Files:
    INPUT_TYPES = classmethod(
        lambda cls: {"required": {"name": (folder_paths.get_filename_list("small_three"),)}}
    )
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, name):
        try:
            folder_paths.get_full_path_or_raise("small_own", "nothing.bin")
            missing = "found"
        except FileNotFoundError:
            missing = "raised"
        try:
            folder_paths.get_filename_list("no_such_key")
            unknown = "found"
        except KeyError:
            unknown = "raised"
        said = [
            name,
            folder_paths.get_filename_list("small_own"),
            folder_paths.get_filename_list("small_two"),
            folder_paths.get_folder_paths("small_own") == [OWN],
            os.path.basename(folder_paths.get_full_path("small_own", "a.bin")),
            folder_paths.get_full_path("small_own", "../x"),
            folder_paths.get_full_path("no_such_key", "x"),
            missing,
            unknown,
            ".small" in folder_paths.supported_pt_extensions,
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"folders_and_files": Files}
