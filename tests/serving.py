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
from queue import Queue
from threading import Thread
from typing import IO, Any
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
ADDRESS = re.compile(r"https?://[^\s/]+:\d+")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at `url`, such as http://127.0.0.1:8188."""

    url: str
    process: subprocess.Popen[str]
    said: "Queue[str | None]"  # lines of its standard output; None: it ended

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
        return self.ended(self.post("/prompt", {"prompt": prompt})["prompt_id"], seconds)

    def ended(self, job: str, seconds: float = 240) -> Mapping[str, Any]:
        """Wait for a job's entry in the history.

        Raises:
            TimeoutError: it did not end in time.
        """
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
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while (line := self.said.get(timeout=60)) is not None:
            if line.startswith("IMPORTED "):
                return frozenset(line.split()[1:])
        raise URLError("the server ended")


@contextmanager
def serving(workspace: Path, *arguments: str, python: Path | None = None) -> Iterator[Server]:
    """A server on a free port, which has said that it answers; ended on leaving.

    Args:
        workspace: its folder.
        arguments: more of `weft`'s own.
        python: the program that runs it; None: the one that runs the tests.
    """
    process = subprocess.Popen(
        [
            str(python or sys.executable),
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
    assert process.stdout is not None
    said: Queue[str | None] = Queue()
    # Somebody must read on: a full pipe would hold up the server.
    reader = Thread(target=_read, args=(process.stdout, said), daemon=True)
    reader.start()
    try:
        yield Server(_announced(process, said), process, said)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(10)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _read(stream: IO[str], said: "Queue[str | None]") -> None:
    for line in stream:
        said.put(line)
    said.put(None)


def _announced(process: subprocess.Popen[str], said: "Queue[str | None]") -> str:
    while (line := said.get(timeout=60)) is not None:
        found = ADDRESS.search(line)
        if found:
            return found.group()
    raise URLError(f"the server ended with status {process.wait()} before it answered")
