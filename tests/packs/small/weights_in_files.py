"""save_torch_file and load_torch_file, with metadata; helpers for state dicts."""
import os

import comfy.utils
import folder_paths
import torch


class Files:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        path = os.path.join(folder_paths.get_temp_directory(), "small.safetensors")
        comfy.utils.save_torch_file({"a.x": torch.ones(2), "b": torch.zeros(3)}, path, metadata={"who": "me"})
        found, told = comfy.utils.load_torch_file(path, return_metadata=True)
        other = os.path.join(folder_paths.get_temp_directory(), "small.pt")
        torch.save({"state_dict": {"w": torch.ones(1)}}, other)
        count, kind = comfy.utils.calculate_parameters(found), comfy.utils.weight_dtype(found)
        moved = comfy.utils.state_dict_prefix_replace(dict(found), {"a.": "c."}, filter_keys=True)
        said = [sorted(found), told["who"], count, str(kind), list(moved), list(comfy.utils.load_torch_file(other))]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"weights_in_files": Files}
