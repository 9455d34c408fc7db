"""A job that was cut off goes on at the node where it was: what was finished and took long is not computed twice."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.server.api.asking import prompt
from tests.server.small_nodes import FACTORY
from tests.server.test_kills import until_done
from tests.serving import Server, serving

SECONDS = 0.3  # of a node's work: well above what is worth a file


def chain(labels: str, seconds: float = SECONDS) -> dict:
    """Nodes that work one after the other, and one that shows what came of it."""
    nodes = {}
    text: object = ""
    for label in labels:
        nodes[label] = ("Work", {"text": text, "label": label, "seconds": seconds})
        text = [label, 0]
    return prompt(**nodes, show=("Show", {"value": text}))


def ran(workspace: Path) -> Counter[str]:
    path = workspace / "ran.txt"
    return Counter(path.read_text().splitlines() if path.exists() else ())


def until_ran(workspace: Path, line: str, seconds: float = 60) -> None:
    limit = time.monotonic() + seconds
    while line not in ran(workspace):
        assert time.monotonic() < limit, f"{line} never came: {ran(workspace)}"
        time.sleep(0.005)


def kill(server: Server) -> None:
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(20)


def text_of(entry: dict) -> list[str]:
    assert entry["status"]["status_str"] == "success", entry["status"]
    return entry["outputs"]["show"]["text"]


def test_a_job_goes_on_where_it_was_when_the_server_is_killed(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        job = server.post("/prompt", {"prompt": chain("abcd")})["prompt_id"]
        until_ran(tmp_path, "begin c")
        kill(server)
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert text_of(until_done(server, 1)[job]) == ["abcd"]
    counts = ran(tmp_path)
    assert {label: counts[f"end {label}"] for label in "abcd"} == dict.fromkeys("abcd", 1)
    assert counts["begin c"] == 2, "what ran at the kill runs again, from its start"
    assert counts["begin a"] == counts["begin b"] == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_any_moment_cost_the_running_node_at_most(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    job, kills = None, 0
    for _ in range(3):
        with serving(tmp_path, "--factory", FACTORY) as server:
            job = job or server.post("/prompt", {"prompt": chain("abcdef", 0.2)})["prompt_id"]
            until_ran(tmp_path, f"begin {'abcdef'[kills]}")
            time.sleep(chance.uniform(0, 0.6))
            if server.get("/history"):
                break
            kill(server)
            kills += 1
    with serving(tmp_path, "--factory", FACTORY) as server:
        found = until_done(server, 1)
        assert list(found) == [job]
        assert text_of(found[job]) == ["abcdef"]
    counts = ran(tmp_path)
    assert sum(counts[f"begin {label}"] for label in "abcdef") <= 6 + kills
    assert all(counts[f"end {label}"] >= 1 for label in "abcdef")


def test_a_job_whose_worker_was_killed_fails_and_the_next_try_goes_on_there(tmp_path: Path):
    asked = prompt(
        a=("Work", {"text": "", "label": "a", "seconds": SECONDS}),
        b=("KillOnce", {"text": ["a", 0]}),
        show=("Show", {"value": ["b", 0]}),
    )
    with serving(tmp_path, "--factory", FACTORY) as server:
        first = server.run(asked)
        assert first["status"]["status_str"] == "error"
        _, told = first["status"]["messages"][-1]
        assert told["node_id"] == "b"
        assert "SIGKILL" in told["exception_message"]
        assert text_of(server.run(asked)) == ["a"]
    assert ran(tmp_path) == {"begin a": 1, "end a": 1}


def test_what_is_quick_is_not_written_and_runs_again(tmp_path: Path):
    asked = chain("ab", 0.0)
    for _ in range(2):
        with serving(tmp_path, "--factory", FACTORY) as server:
            assert text_of(server.run(asked)) == ["ab"]
            assert text_of(server.run(asked)) == ["ab"]
    assert ran(tmp_path)["end a"] == 2, "once a life"
    assert list((tmp_path / "user" / "results").rglob("*.safetensors")) == []


def test_a_damaged_result_is_computed_anew(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert text_of(server.run(chain("a"))) == ["a"]
    (kept,) = (tmp_path / "user" / "results").rglob("*.safetensors")
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1
    kept.write_bytes(data)
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert text_of(server.run(chain("a"))) == ["a"]
    assert ran(tmp_path)["end a"] == 2
    assert kept.read_bytes() != data, "and kept again"


def test_nothing_is_on_disk_without_a_budget_for_it(tmp_path: Path):
    for _ in range(2):
        with serving(tmp_path, "--factory", FACTORY, "--cache-disk", "0") as server:
            assert text_of(server.run(chain("a"))) == ["a"]
    assert ran(tmp_path)["end a"] == 2
    assert not (tmp_path / "user" / "results").exists()


def test_freeing_memory_leaves_what_is_on_disk(tmp_path: Path):
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert text_of(server.run(chain("a"))) == ["a"]
        server.post("/free", {"free_memory": True})
        assert text_of(server.run(chain("a"))) == ["a"]
        server.post("/free", {"free_memory": True})
    assert ran(tmp_path)["end a"] == 1


def saved(workspace: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (workspace / "output").iterdir()}


@pytest.mark.parametrize("moment", [0, 1])
def test_a_save_of_a_job_is_one_whole_file_though_the_server_is_killed_in_it(tmp_path: Path, moment: int):
    asked = prompt(s=("SlowSave", {"text": "x", "count": 2, "seconds": 0.5}))
    with serving(tmp_path, "--factory", FACTORY) as server:
        job = server.post("/prompt", {"prompt": asked})["prompt_id"]
        until_ran(tmp_path, f"half x {moment}")
        kill(server)
    assert sum(name.endswith(".txt") for name in saved(tmp_path)) == moment, "none that is not whole"
    with serving(tmp_path, "--factory", FACTORY) as server:
        entry = until_done(server, 1)[job]
    names = [shown["filename"] for shown in entry["outputs"]["s"]["images"]]
    assert names == ["slow_00001_.txt", "slow_00002_.txt"]
    assert saved(tmp_path) == {names[0]: "half whole x 0", names[1]: "half whole x 1"}


def test_another_try_of_a_job_takes_names_of_its_own(tmp_path: Path):
    asked = prompt(
        s=("SlowSave", {"text": "x", "count": 1}),
        k=("KillOnce", {"text": "y"}),
        show=("Show", {"value": ["k", 0]}),
    )
    with serving(tmp_path, "--factory", FACTORY) as server:
        assert server.run(asked)["status"]["status_str"] == "error"
        before = saved(tmp_path)
        assert server.run(asked)["status"]["status_str"] == "success"
        assert saved(tmp_path).items() >= before.items()
        assert all(text == "half whole x 0" for text in saved(tmp_path).values())
