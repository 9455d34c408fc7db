"""Server and worker are killed at random moments: no job is lost, none ends twice, no file is doubled or damaged.

The default is a short run. `pytest tests/server/test_faults.py --long` queues 300 jobs; `--seed N` repeats a run's choices.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.error import HTTPError
from uuid import UUID

import pytest
from PIL import Image

from tests.server.api.asking import prompt
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving

OVER = ("completed", "failed", "cancelled")
SEED = 20261125


class Patient:
    """A workspace whose server is killed and started again, and the jobs that it was given."""

    def __init__(self, workspace: Path, chance: random.Random) -> None:
        self.workspace = workspace
        self.chance = chance
        self.jobs: dict[str, int] = {}
        self.kills: Counter[str] = Counter()
        self._stack = ExitStack()
        self._timers: list[Timer] = []
        self._server: Server | None = None

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join()
        self._stack.close()

    @property
    def server(self) -> Server:
        """A server that was alive a moment ago."""
        if self._server is None or self._server.process.poll() is not None:
            self._stack.close()
            self._server = self._stack.enter_context(serving(self.workspace, "--factory", FACTORY))
        return self._server

    def insist(self, ask: Callable[[Server], Any], seconds: float = 120) -> Any:
        """The answer, however often the server must be started for it."""
        limit = time.monotonic() + seconds
        while True:
            try:
                return ask(self.server)
            except HTTPError as refused:
                with refused:
                    if refused.code != 503 or time.monotonic() > limit:  # its worker was killed
                        raise
            except (OSError, HTTPException, ValueError):
                assert time.monotonic() < limit
            time.sleep(0.02)

    def queue(self, index: int) -> None:
        """Queue a job under an id of our own, so that asking again when the answer was lost does no harm."""
        id = str(UUID(int=self.chance.getrandbits(128), version=4))
        steps = {
            "total": self.chance.randint(1, 8),
            "seconds": self.chance.uniform(0, 0.02),
            "label": str(index),
        }
        nodes = prompt(
            a=("Steps", steps),
            b=("Say", {"text": ["a", 0]}),
            c=("Show", {"value": ["b", 0]}),
            d=("Save", {"side": 64, "filename_prefix": f"job-{index:04}"}),
        )

        def post(server: Server) -> None:
            try:
                server.post("/prompt", {"prompt": nodes, "prompt_id": id})
            except HTTPError as refused:
                if refused.code != 400:
                    raise
                refused.close()  # "prompt_id is that of another job": it was taken before

        self.insist(post)
        self.jobs[id] = index

    def kill_later(self) -> None:
        """Kill the server or its worker in a moment."""
        whom = self.chance.choice(["server", "worker"])
        timer = Timer(self.chance.uniform(0, 0.4), self._kill, [whom])
        self._timers.append(timer)
        timer.start()

    def _kill(self, whom: str) -> None:
        server = self._server
        if server is None or server.process.poll() is not None:
            return
        victims = [server.process.pid] if whom == "server" else children(server.process.pid)
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills[whom] += 1

    def settle(self, seconds: float) -> None:
        """Wait until nothing waits or runs."""
        for timer in self._timers:
            timer.join()
        limit = time.monotonic() + seconds
        while self.insist(lambda server: server.get("/prompt"))["exec_info"]["queue_remaining"]:
            assert time.monotonic() < limit, "some job never ends"
            time.sleep(0.05)

    def listed(self) -> list[Mapping[str, Any]]:
        """All jobs, as `/api/jobs` lists them."""
        return self.insist(lambda server: server.get("/api/jobs"))["jobs"]


def children(pid: int) -> list[int]:
    """Processes that the process started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
@pytest.mark.timeout(3600)
def test_kills_at_random_moments_lose_double_and_damage_nothing(
    tmp_path: Path, request: pytest.FixtureRequest
):
    jobs, kills = (300, 60) if request.config.getoption("--long") else (20, 5)
    seed = request.config.getoption("--seed")
    chance = random.Random(SEED if seed is None else seed)
    fatal = set(chance.sample(range(jobs), kills))
    patient = Patient(tmp_path, chance)
    try:
        for index in range(jobs):
            patient.queue(index)
            if index in fatal:
                patient.kill_later()
            time.sleep(chance.uniform(0, 0.1))
        patient.settle(60 + jobs)
        assert patient.kills.total() >= kills // 2
        tries = the_rest_is_tried_again(patient)
        nothing_is_lost_or_doubled(patient, tries)
        no_file_is_doubled_or_damaged(patient, tries)
    finally:
        patient.close()


def the_rest_is_tried_again(patient: Patient) -> dict[str, int]:
    """What a dying worker took along is tried again, and ends well; the index by id of all these tries."""
    queued = patient.server.post("/api/jobs/retry", {"all": True})["jobs"]
    tries = {job["prompt_id"]: patient.jobs[job["retry_of"]] for job in queued}
    patient.settle(120)
    states = {job["id"]: job["status"] for job in patient.listed()}
    assert {states[id] for id in tries} <= {"completed"}
    return tries


def nothing_is_lost_or_doubled(patient: Patient, tries: Mapping[str, int]) -> None:
    """Every job has one end, and nothing else was run."""
    listed = patient.listed()
    assert Counter(job["id"] for job in listed) == Counter([*patient.jobs, *tries])
    assert {job["status"] for job in listed} <= set(OVER)
    history = patient.server.get("/history")
    assert sorted(history) == sorted([*patient.jobs, *tries])
    for entry in history.values():
        ends = [kind for kind, _ in entry["status"]["messages"] if kind in ENDS]
        assert len(ends) == 1
    done = {
        patient.jobs.get(job["id"], tries.get(job["id"])) for job in listed if job["status"] == "completed"
    }
    assert done == set(patient.jobs.values())


ENDS = ("execution_success", "execution_error", "execution_interrupted")


def no_file_is_doubled_or_damaged(patient: Patient, tries: Mapping[str, int]) -> None:
    """One file for each save of each job that ended well, at most one for each other, and every one is whole."""
    files = sorted((patient.workspace / "output").rglob("*.png"))
    for path in files:
        with Image.open(path) as picture:
            picture.load()
            assert picture.size == (64, 64)
    saved = Counter(int(path.name.split("_")[0].removeprefix("job-")) for path in files)
    runs = Counter([*patient.jobs.values(), *tries.values()])
    assert all(1 <= saved[index] <= runs[index] for index in runs)
    named = [
        item["filename"]
        for id, entry in patient.server.get("/history").items()
        if id not in tries  # these show what the first try saved, where it came so far
        for item in entry["outputs"].get("d", {}).get("images", [])
    ]
    assert set(named) <= {path.name for path in files}
    assert len(named) == len(set(named))
