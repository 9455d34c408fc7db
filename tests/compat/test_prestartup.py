"""EXECUTOR.md section 14: a pack's prestartup script runs before torch is imported, and before any pack is."""

import json
from pathlib import Path

from tests.serving import serving

SCRIPT = """
import json, os, sys
import folder_paths
seen = {
    "torch": "torch" in sys.modules,
    "packs": sorted(name for name in sys.modules if name.endswith("late_pack")),
    "output": folder_paths.get_output_directory(),
}
import comfy.utils
from comfy_execution.graph_utils import GraphBuilder
seen["bar"] = hasattr(comfy.utils, "ProgressBar")
os.environ["WEFT_TEST_SEEN"] = json.dumps(seen)
"""
PACK = """
import os
import comfy.utils, folder_paths
from comfy_execution.graph_utils import GraphBuilder

class TellSeen:
    RETURN_TYPES, FUNCTION, OUTPUT_NODE = (), "tell", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def tell(self):
        return {"ui": {"seen": [os.environ["WEFT_TEST_SEEN"]], "once": [comfy.utils.__name__]}}

NODE_CLASS_MAPPINGS = {"TellSeen": TellSeen}
"""


def test_prestartup_scripts_come_first_and_see_the_hosts_names(tmp_path: Path):
    for name, files in {
        "late_pack": {"__init__.py": PACK, "prestartup_script.py": SCRIPT},
        "failing_pack": {"__init__.py": "NODE_CLASS_MAPPINGS = {}", "prestartup_script.py": "1 / 0"},
    }.items():
        folder = tmp_path / "custom_nodes" / name
        folder.mkdir(parents=True)
        for file, text in files.items():
            (folder / file).write_text(text)
    with serving(tmp_path) as server:
        entry = server.run({"1": {"class_type": "TellSeen", "inputs": {}}})
    assert entry["status"]["status_str"] == "success", entry["status"]
    shown = entry["outputs"]["1"]
    (seen,) = shown["seen"]
    assert json.loads(seen) == {
        "torch": False,
        "packs": [],
        "output": str(tmp_path / "output"),
        "bar": True,
    }
