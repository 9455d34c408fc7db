"""Files that a pack's node reads without saying when they change: watched for it, by size and time.

A class that has no IS_CHANGED promises that equal inputs give equal outputs. Loaders break the promise when the file of
that name is another one. Results outlive the server, so nobody would ever notice: here the file has a part in the key.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nodes.compat.names import folder_paths
from nodes.spec import InputSpec, Json

FILE_NAME = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,11}(\s*\[(input|output|temp)\])?$")
TELLING = ("path", "file", "dir", "folder")  # in the names of inputs that take a text


def may_name_a_file(spec: InputSpec) -> bool:
    """Whether a constant of this input could be a file's name."""
    if spec.choices is not None:
        return bool(spec.choices.folder) or any(
            isinstance(value, str) and FILE_NAME.search(value) for value in spec.choices.values
        )
    return spec.type == "STRING" and any(word in spec.name.lower() for word in TELLING)


def state(inputs: Mapping[str, Json]) -> str:
    """Equal while the files that the inputs name are the same."""
    found = sorted({entry for value in inputs.values() if isinstance(value, str) for entry in _states(value)})
    return "; ".join(found)


def _states(name: str) -> Iterator[str]:
    for path in _places(name):
        try:
            known = os.stat(path)  # noqa: PTH116 - what packs are given may be no path at all
        except (OSError, ValueError):
            continue
        yield f"{path} {known.st_size} {known.st_mtime_ns}"


def _places(name: str) -> Iterator[Path]:
    """Where a pack may find the file of that name."""
    if not name.strip():
        return
    bare, base = folder_paths.annotated_filepath(name)
    folders = [base] if base else [folder_paths.input_directory]
    for key, (paths, _suffixes) in folder_paths.folder_names_and_paths.items():
        if key != "custom_nodes":
            folders += paths
    yield from {Path(folder) / bare for folder in folders if folder}  # an absolute name stands for itself
