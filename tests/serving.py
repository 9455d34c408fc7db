"""A real server in a process of its own, as `weft` starts it, for whoever asks over HTTP."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

# Run by `python -c`: serves as `weft` does, and answers each line on standard input with what it has imported.
SERVE_AND_TELL = """
import sys, threading

def tell():
    for _ in sys.stdin:
        print("IMPORTED", *sorted(name for name in sys.modules if "." not in name), flush=True)

threading.Thread(target=tell, daemon=True).start()
from server.cli import main
sys.exit(main(sys.argv[1:]))
"""
ADDRESS = re.compile(r"http://[^\s/]+:\d+")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at `url`, such as http://127.0.0.1:8188."""

    url: str
    process: subprocess.Popen[str]

    def get(self, path: str, timeout: float = 120) -> Any:
        """The JSON at the path."""
        with urlopen(self.url + path, timeout=timeout) as answer:
            return json.load(answer)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """What the server answers to a JSON body."""
        request = Request(self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def run(self, prompt: Mapping[str, Any], seconds: float = 240) -> Mapping[str, Any]:
        """Queue the prompt and wait for its entry in the history.

        Raises:
            TimeoutError: it did not end in time.
        """
        job = self.post("/prompt", {"prompt": prompt})["prompt_id"]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            entry = self.get(f"/history/{job}").get(job)
            if entry is not None:
                return entry
            time.sleep(0.05)
        raise TimeoutError(f"The job did not end in {seconds:g} seconds.")

    def imported(self) -> frozenset[str]:
        """Names of the top-level modules that the serving process has loaded by now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("IMPORTED "):
                return frozenset(line.split()[1:])
        raise URLError("the server ended")


@contextmanager
def serving(workspace: Path, *arguments: str) -> Iterator[Server]:
    """A server on a free port, which has said that it answers; ended on leaving.

    Args:
        workspace: its folder.
        arguments: more of `weft`'s own.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SERVE_AND_TELL,
            "--port",
            "0",
            "--no-browser",
            "--workspace",
            str(workspace),
            *arguments,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=Path(__file__).resolve().parent.parent,
    )
    try:
        yield Server(_announced(process), process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _announced(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        found = ADDRESS.search(line)
        if found:
            return found.group()
    raise URLError(f"the server ended with status {process.wait()} before it answered")
