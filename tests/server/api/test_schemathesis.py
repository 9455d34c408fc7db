"""Schemathesis reads /openapi.json and asks every route what its description allows, and what it does not.

No answer is a fault of ours, each has a documented status, kind and shape, and what is malformed is refused in JSON.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.small_nodes import FACTORY
from tests.serving import serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
)
SECONDS = 40  # a run is cut off there, whatever is left


@pytest.mark.timeout(200)
def test_a_real_server_answers_as_its_description_says(tmp_path: Path):
    with serving(tmp_path / "workspace", "--factory", FACTORY) as server:
        server.get("/object_info")  # the worker is ready
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json", "--no-color"),
            *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-examples", "6"),
            *(
                "--mode",
                "all",
                "--seed",
                "1",
                "--warnings",
                "off",
                "--max-time",
                str(SECONDS),
                "--request-timeout",
                "30",
            ),
            *("--exclude-path", "/ws"),  # a websocket
            *("--exclude-path-regex", "/packs/reload$"),  # begins another worker each time
        ]
        ended = subprocess.run(
            command,
            check=False,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": "140"},
            timeout=180,
        )
        assert ended.returncode == 0, ended.stdout[-12000:] + ended.stderr[-2000:]
        assert "No issues found" in ended.stdout
        assert server.get("/api/weft/status")["ready"]
