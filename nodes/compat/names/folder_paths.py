"""Where files live, as packs ask. They also write to these names, so all of it is plain mutable state."""

import os
import re
import time
from pathlib import Path
from typing import Any

from nodes.compat.current import running
from nodes.compat.places import Places

supported_pt_extensions = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
folder_names_and_paths: dict[str, tuple[list[str], Any]] = {}
base_path = ""
models_dir = ""
output_directory = ""
input_directory = ""
temp_directory = ""
user_directory = ""

_OLDER = {"unet": "diffusion_models", "clip": "text_encoders"}
_TYPES = {
    "image": {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"},
    "video": {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v"},
    "audio": {".wav", ".mp3", ".flac", ".ogg", ".m4a", ".aac", ".opus"},
    "model": {".glb", ".gltf", ".obj", ".fbx", ".stl"},
}


def configure(places: Places) -> None:
    """Ours, not the field's: called once, before packs load."""
    state = globals()
    state["base_path"] = str(places.root)
    state["models_dir"] = str(places.models)
    state["input_directory"] = str(places.input)
    state["output_directory"] = str(places.output)
    state["temp_directory"] = str(places.temp)
    state["user_directory"] = str(places.user)
    # Packs find the root of their host by this module's file.
    state["__file__"] = str(places.root / "folder_paths.py")
    folder_names_and_paths.clear()
    for key, (folders, suffixes) in places.folders.items():
        shared = supported_pt_extensions if suffixes == supported_pt_extensions else set(suffixes)
        folder_names_and_paths[key] = ([str(folder) for folder in folders], shared)
    folder_names_and_paths["custom_nodes"] = ([str(folder) for folder in places.packs], set())


def map_legacy(folder_name):
    return _OLDER[folder_name] if folder_name in _OLDER else folder_name  # noqa: SIM401


def get_output_directory():
    return output_directory


def get_input_directory():
    return input_directory


def get_temp_directory():
    return temp_directory


def get_user_directory():
    return user_directory


def set_output_directory(output_dir):
    globals()["output_directory"] = output_dir


def set_input_directory(input_dir):
    globals()["input_directory"] = input_dir


def set_temp_directory(temp_dir):
    globals()["temp_directory"] = temp_dir


def set_user_directory(user_dir):
    globals()["user_directory"] = user_dir


def get_directory_by_type(type_name):
    return {"output": output_directory, "input": input_directory, "temp": temp_directory}.get(type_name)


def get_folder_paths(folder_name):
    return list(folder_names_and_paths[map_legacy(folder_name)][0])


def add_model_folder_path(folder_name, full_folder_path, is_default=False):
    key = map_legacy(folder_name)
    if key not in folder_names_and_paths:
        folder_names_and_paths[key] = ([full_folder_path], set())
        return
    paths = folder_names_and_paths[key][0]
    if is_default:
        if full_folder_path in paths:
            paths.remove(full_folder_path)
        paths.insert(0, full_folder_path)
    elif full_folder_path not in paths:
        paths.append(full_folder_path)


def recursive_search(directory, excluded_dir_names=None):
    """Relative names of all files below, and the folders with their times."""
    left_out = set(excluded_dir_names or ())
    files, folders = [], {}
    if os.path.isdir(directory):  # noqa: PTH112
        for at, inner, names in os.walk(directory, followlinks=True):
            inner[:] = [name for name in inner if name not in left_out]
            folders[at] = os.path.getmtime(at)  # noqa: PTH204
            files.extend(os.path.relpath(os.path.join(at, name), directory) for name in names)  # noqa: PTH118
    return files, folders


def filter_files_extensions(files, extensions):
    wanted = {extension.lower() for extension in extensions}
    return sorted(name for name in files if not wanted or os.path.splitext(name)[1].lower() in wanted)  # noqa: PTH122


def filter_files_content_types(files, content_types):
    wanted = set().union(*(_TYPES.get(kind, set()) for kind in content_types))
    return [name for name in files if os.path.splitext(name)[1].lower() in wanted]  # noqa: PTH122


def get_filename_list(folder_name):
    folders, extensions = folder_names_and_paths[map_legacy(folder_name)]
    found = set()
    for folder in folders:
        files, _ = recursive_search(folder, {".git"})
        found.update(filter_files_extensions(files, extensions))
    return sorted(found)


def get_full_path(folder_name, filename):
    key = map_legacy(folder_name)
    if key not in folder_names_and_paths:
        return None
    bare = os.path.relpath(os.path.join("/", filename), "/")  # noqa: PTH118 - ".." cannot leave the root
    for folder in folder_names_and_paths[key][0]:
        path = os.path.join(folder, bare)  # noqa: PTH118
        if os.path.isfile(path):  # noqa: PTH113
            return path
    return None


def get_full_path_or_raise(folder_name, filename):
    path = get_full_path(folder_name, filename)
    if path is None:
        raise FileNotFoundError(f"There is no {filename!r} among the files of {folder_name!r}.")
    return path


def annotated_filepath(name):
    for kind, base in (("output", output_directory), ("input", input_directory), ("temp", temp_directory)):
        if name.endswith(f"[{kind}]"):
            return name[: -len(kind) - 3], base
    return name, None


def _annotated(name, default_dir):
    bare, base = annotated_filepath(name)
    root = os.path.abspath(base or default_dir or input_directory)  # noqa: PTH100
    path = os.path.abspath(os.path.join(root, bare))  # noqa: PTH100, PTH118
    return path if os.path.commonpath((root, path)) == root else None


def get_annotated_filepath(name, default_dir=None):
    path = _annotated(name, default_dir)
    if path is None:
        raise ValueError(f"The name {name!r} leads out of its folder.")
    return path


def exists_annotated_filepath(name):
    path = _annotated(name, None)
    return path is not None and os.path.exists(path)  # noqa: PTH110


def get_save_image_path(filename_prefix, output_dir, image_width=0, image_height=0):
    now = time.localtime()
    values = {
        "width": image_width,
        "height": image_height,
        "year": now.tm_year,
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    for name, value in values.items():
        filename_prefix = filename_prefix.replace(f"%{name}%", str(value))
    subfolder, filename = os.path.split(os.path.normpath(filename_prefix))
    root = os.path.abspath(output_dir)  # noqa: PTH100
    folder = os.path.abspath(os.path.join(root, subfolder))  # noqa: PTH100, PTH118
    if os.path.commonpath((root, folder)) != root:
        raise Exception(f"Nothing is saved outside the output folder: {filename_prefix!r} leads out of it.")  # noqa: TRY002
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103
    numbered = re.compile(re.escape(filename) + r"_(\d+)[_.]")
    numbers = [int(found[1]) for name in os.listdir(folder) if (found := numbered.match(name))]  # noqa: PTH208
    free = max(numbers, default=0) + 1
    call = running()
    # A job that runs again after it was cut off writes the files that it wrote before, not others beside them.
    number = free if call is None else call.context.files.number(Path(folder), filename, free)
    return folder, filename, number, subfolder, filename_prefix
