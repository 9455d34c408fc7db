"""The build hook that puts the canvas into the Python package. See build.py, which does the work."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CanvasBuildHook(BuildHookInterface[Any]):
    """Builds `web/` and lays the result into the wheel as `server/_web`; an editable install reads `web/dist`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it packs a wheel; `version` is "editable" for `pip install -e`."""
        # The build backend does not put the project on sys.path, so this file's neighbour is run by its path.
        dist: Path = runpy.run_path(str(Path(self.root, "web", "build.py")), run_name="weft_web_build")[
            "build"
        ]()
        if version != "editable":
            build_data["force_include"][str(dist)] = "server/_web"
