"""filter_files_content_types, for lists of uploads."""
import folder_paths


class Picks:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        files = ["a.png", "b.webp", "c.mp4", "d.mp3", "e.fbx", "f.unknownkind"]
        pick = folder_paths.filter_files_content_types
        return {"ui": {"said": [pick(files, ["image"]), pick(files, ["video", "audio"]), pick(files, ["model"])]}}


NODE_CLASS_MAPPINGS = {"picks_files_by_kind": Picks}
