"""`weft queue` against a running server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.cli import FAILURE, SUCCESS, USAGE, main
from tests.server.api.asking import prompt, shown
from tests.server.small_nodes import FACTORY
from tests.serving import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("queue"), "--factory", FACTORY) as running:
        running.get("/object_info")
        yield running


@pytest.fixture
def weft(server: Server, capsys: pytest.CaptureFixture[str]):
    def ask(*arguments: str, status: int = SUCCESS) -> str:
        assert main(["queue", *arguments, "--server", server.url]) == status
        said = capsys.readouterr()
        return said.out if status == SUCCESS else said.err

    yield ask
    ask("cancel", "--all")
    ask("resume")


def listed(text: str) -> list[tuple[str, str]]:
    """Id and state of each line."""
    return [tuple(line.split("  ")[:2]) for line in text.splitlines() if "queued" in line]


def test_an_empty_queue_says_so(weft):
    assert weft() == "Nothing waits and nothing runs.\n"


def test_a_queue_is_paused_listed_moved_and_resumed(server, weft):
    assert "paused" in weft("pause")
    ids = [server.post("/prompt", {"prompt": shown(f"q{index}")})["prompt_id"] for index in range(3)]
    assert weft("move", ids[2][:13], "--front").split() == [ids[2]]
    weft("move", ids[0], "--after", ids[1])
    assert weft("pause", ids[1]).split() == [ids[1]]
    said = weft("list")
    assert "The queue is paused" in said
    assert listed(said) == [(ids[2], "waits"), (ids[1], "on hold"), (ids[0], "waits")]
    assert [job["id"] for job in json.loads(weft("--json"))["jobs"]] == [ids[2], ids[1], ids[0]]
    assert "Cancelled" in weft("cancel", ids[1])
    assert "None of these" in weft("cancel", ids[1])
    assert "not paused" in weft("resume")


def test_a_failed_job_is_tried_again(server, weft):
    nodes = prompt(a=("Boom", {"text": "q"}), b=("Show", {"value": ["a", 0]}))
    old, other = (server.run(nodes)["prompt"][1] for _ in range(2))
    assert f"{old} is tried again as" in weft("retry", old[:20])
    said = weft("retry", "--all")
    assert f"{other} is tried again as" in said
    assert f"{old} is" not in said


@pytest.mark.parametrize(
    "wrong", [["move", "x"], ["move", "--front"], ["retry"], ["cancel", "x", "--all"], ["list", "x"]]
)
def test_a_wrong_command_line_is_said_before_anything_is_asked(capsys, wrong):
    assert main(["queue", *wrong, "--server", "http://127.0.0.1:1"]) == USAGE
    assert capsys.readouterr().err.startswith(f"weft queue {wrong[0]}: ")


def test_what_cannot_be_is_said_in_words(weft):
    assert "No job" in weft("cancel", "zzz", status=FAILURE)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "nonsense", "http://127.0.0.1:x"])
def test_no_server_is_said_in_words(capsys, address, tmp_path: Path):
    assert main(["queue", "--server", address]) == FAILURE
    assert "127.0.0.1" in capsys.readouterr().err
