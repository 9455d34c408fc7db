"""Names with [input], [output] or [temp] behind them."""
import os

import folder_paths


class Names:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        path = folder_paths.get_annotated_filepath("x.png [temp]")
        try:
            folder_paths.get_annotated_filepath("../x.png")
            outside = "allowed"
        except ValueError:
            outside = "refused"
        said = [
            folder_paths.annotated_filepath("a.png [output]")[0],
            folder_paths.annotated_filepath("a.png")[1],
            os.path.relpath(path, folder_paths.get_temp_directory()),
            folder_paths.exists_annotated_filepath("x.png [temp]"),
            folder_paths.exists_annotated_filepath("../x.png"),
            outside,
            folder_paths.get_directory_by_type("input") == folder_paths.get_input_directory(),
            folder_paths.get_directory_by_type("elsewhere"),
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"annotated_names": Names}
