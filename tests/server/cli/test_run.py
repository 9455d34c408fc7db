"""`weft run`: a file in, pictures out, and a status that scripts can trust."""

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from server.cli import main
from tests.server.small_nodes import FACTORY

SQUARE = {
    "1": {
        "class_type": "Save",
        "inputs": {"side": 4, "filename_prefix": "square"},
        "_meta": {"title": "My square"},
    }
}
WORKFLOW = {
    "version": 0.4,
    "nodes": [
        {"id": 7, "type": "Save", "pos": [0, 0], "size": [1, 1], "mode": 0, "inputs": [], "outputs": [],
         "widgets_values": [6, "flow"]},
    ],
    "links": [],
}  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def weft(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """The command line in this process, nodes in a thread of it."""

    def run(*arguments: str, text: str = "") -> Ended:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        given = [*arguments, "--workspace", str(tmp_path), "--factory", FACTORY, "--backend", "thread"]
        status = main(given)
        said = capsys.readouterr()
        return Ended(status, said.out, said.err)

    return run


def size(path: str | Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_a_prompt_is_run_and_its_picture_copied(weft, tmp_path: Path):
    file = tmp_path / "square.json"
    file.write_text(json.dumps(SQUARE))
    done = weft("run", str(file), "--set", "1.side=9", "-o", str(tmp_path / "out" / "copy.png"))
    assert (done.status, done.err) == (0, "")
    assert size(tmp_path / "out" / "copy.png") == (9, 9)
    assert done.out.splitlines() == [
        str(tmp_path / "out" / "copy.png"),
        str(tmp_path / "output" / "square_00001_.png"),
    ]


def test_a_workflow_comes_through_standard_input_and_every_event_is_a_line(weft, tmp_path: Path):
    done = weft("run", "-", "--json", text=json.dumps(WORKFLOW))
    assert done.status == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    kinds = [line["type"] for line in lines]
    assert kinds == [
        "execution_start",
        "execution_cached",
        "executing",
        "executed",
        "execution_success",
        "result",
    ]
    assert lines[-1]["data"]["files"] == [str(tmp_path / "output" / "flow_00001_.png")]
    assert size(tmp_path / "output" / "flow_00001_.png") == (6, 6)


@pytest.mark.parametrize("place", ["1.side=7", "My square.side=7", "Save.side=7"])
def test_an_input_is_set_by_id_title_or_class(weft, place: str):
    done = weft("run", "-", "--set", place, text=json.dumps(SQUARE))
    assert done.status == 0, done.err
    assert size(done.out.strip()) == (7, 7)


WRONG = [
    ("not JSON", "{", (), "is not JSON that can be read"),
    ("a list", "[]", (), "- is neither a workflow nor a prompt: it holds a list"),
    ("nothing saved", "{}", (), "none of its nodes saves or shows anything"),
    ("unknown node", '{"1": {"class_type": "Nobody", "inputs": {}}}', (), "'Nobody' not found"),
    (
        "out of range",
        json.dumps(SQUARE),
        ("--set", "1.side=65"),
        "node 1 (Save): Value 65 bigger than max of 64",
    ),
    ("no such node", json.dumps(SQUARE), ("--set", "5.side=1"), "there is no node '5'. There are: 1 (Save)"),
    (
        "no such input",
        json.dumps(SQUARE),
        ("--set", "1.size=1"),
        "has no input 'size'. It has: side, filename_prefix",
    ),
    ("no value", json.dumps(SQUARE), ("--set", "1.side"), "write NODE.INPUT=VALUE"),
]


@pytest.mark.parametrize(("name", "text", "arguments", "words"), WRONG, ids=[row[0] for row in WRONG])
def test_what_cannot_run_is_said_and_ends_with_2(weft, name: str, text: str, arguments: tuple, words: str):
    done = weft("run", "-", *arguments, text=text)
    assert (done.status, done.out) == (2, "")
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_missing_file_is_said(weft, tmp_path: Path):
    done = weft("run", str(tmp_path / "nothing.json"))
    assert done.status == 2
    assert "nothing.json" in done.err


@pytest.mark.parametrize(("kind", "words"), [("Boom", "It broke.")])
def test_a_failing_node_ends_with_1_and_says_what_to_do(weft, kind: str, words: str):
    nodes = {
        "a": {"class_type": kind, "inputs": {"text": ""}},
        "b": {"class_type": "Show", "inputs": {"value": ["a", 0]}},
    }
    done = weft("run", "-", text=json.dumps(nodes))
    assert done.status == 1
    assert f"{kind} failed: {words}" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_stops_the_run(tmp_path: Path):
    nodes = {
        "a": {"class_type": "Steps", "inputs": {"total": 10000, "seconds": 0.01, "label": ""}},
        "b": {"class_type": "Show", "inputs": {"value": ["a", 0]}},
    }
    (tmp_path / "long.json").write_text(json.dumps(nodes))
    command = [
        sys.executable,
        "-m",
        "server",
        "run",
        str(tmp_path / "long.json"),
        "--json",
        "--factory",
        FACTORY,
    ]
    with subprocess.Popen(
        [*command, "--workspace", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if json.loads(line)["type"] == "progress":
                break
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = [json.loads(line) for line in process.stdout]
        assert process.wait(20) == 130
    assert time.monotonic() - started < 4
    assert said[-1]["data"]["status"] == "interrupted"


def test_packs_are_listed(weft):
    done = weft("packs")
    assert done.status == 0
    assert done.out.startswith("No packs in")


def test_help_names_all_commands(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("serve", "run", "packs"))


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_what_a_picture_holds_is_run(weft, tmp_path: Path, suffix: str):
    picture, kept = tmp_path / f"made{suffix}", Image.new("RGB", (2, 2))
    if suffix == ".png":
        texts = PngInfo()
        texts.add_text("prompt", json.dumps(SQUARE))
        kept.save(picture, pnginfo=texts)
    else:
        exif = kept.getexif()
        exif[0x010F] = f"prompt:{json.dumps(SQUARE)}"
        kept.save(picture, exif=exif)
    done = weft("run", str(picture), "--set", "1.side=5")
    assert done.status == 0, done.err
    assert size(done.out.strip()) == (5, 5)


def test_a_picture_that_holds_nothing_is_said_to_hold_nothing(weft, tmp_path: Path):
    Image.new("RGB", (2, 2)).save(tmp_path / "plain.png")
    for command in ("run", "convert", "plan"):
        done = weft(command, str(tmp_path / "plain.png"))
        assert (done.status, done.out) == (2, "")
        assert "plain.png holds neither a workflow nor a prompt" in done.err


def test_where_nothing_can_be_written_is_named(weft, tmp_path: Path):
    (tmp_path / "file").write_text("")
    done = weft("run", "-", "-o", str(tmp_path / "file" / "x.png"), text=json.dumps(SQUARE))
    assert done.status == 2 and "cannot write" in done.err and "Errno" not in done.err
    assert main(["run", "default", "--workspace", str(tmp_path / "file"), "--factory", FACTORY]) == 2
    assert main(["docs", "samplers", "-o", str(tmp_path / "file" / "x.html")]) == 2


def test_a_command_that_is_none_is_said_to_be_none(capsys: pytest.CaptureFixture[str]):
    assert main(["qeue"]) == 2
    assert "Did you mean queue?" in capsys.readouterr().err


def test_a_plan_names_the_node_that_is_not_there(weft):
    done = weft("plan", "-", text='{"1": {"class_type": "Nobody", "inputs": {}}}')
    assert done.status == 2 and "'Nobody' not found" in done.err
