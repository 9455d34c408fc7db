"""Results of packs' nodes outlive the server: what they read, and their code, has a part in the key."""

import os
from pathlib import Path

import pytest

from nodes.compat.packs import Packs
from nodes.compat.watched import may_name_a_file
from nodes.spec import Choices, InputSpec, Node, Registry
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.compat.test_packs import places

PACK = """
from .helper import read

class Reader:
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": (["a.safetensors", "b.safetensors"],), "path": ("STRING", {}), "text": ("STRING", {})}}

    def run(self, name, path, text):
        return (read(name),)

class Plain:
    RETURN_TYPES = ("STRING",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"mode": (["fast", "slow", "v1.5"],), "text": ("STRING", {})}}

    def run(self, mode, text):
        return (text,)

NODE_CLASS_MAPPINGS = {"Reader": Reader, "Plain": Plain}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work")


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    folder = tmp_path / "packs"
    (folder / "reading").mkdir(parents=True)
    (folder / "reading" / "__init__.py").write_text(PACK)
    (folder / "reading" / "helper.py").write_text("def read(name):\n    return name\n")
    return folder


def load(workspace: Workspace, packs: Path) -> dict[str, Node]:
    registry = Registry()
    (report,) = Packs(registry, places(workspace, packs), lambda _: None, {}).load()
    assert report.ok, report
    return {node.spec.id: node for node in registry}


def token(node: Node, workspace: Workspace, **inputs: object) -> object:
    assert node.change_token is not None
    return node.change_token(Surroundings(workspace), **inputs)


def test_a_file_that_a_loader_names_has_a_part_in_its_key(workspace: Workspace, packs: Path, tmp_path: Path):
    reader = load(workspace, packs)["Reader"]
    assert reader.spec.has_change_token
    file, outside = workspace.models / "loras" / "a.safetensors", tmp_path / "outside.txt"
    given = {"name": "a.safetensors", "path": str(outside), "text": "a text"}
    none = token(reader, workspace, **given)
    file.write_bytes(b"one")
    first = token(reader, workspace, **given)
    assert first != none
    assert token(reader, workspace, **given) == first
    file.write_bytes(b"other")
    second = token(reader, workspace, **given)
    assert second != first
    os.utime(file, ns=(1, 1))
    assert token(reader, workspace, **given) not in (first, second)
    outside.write_text("x")
    third = token(reader, workspace, **given)
    outside.write_text("xy")
    assert token(reader, workspace, **given) != third
    assert token(reader, workspace, **{**given, "text": "another"}) == token(reader, workspace, **given)


@pytest.mark.parametrize("odd", ["", " ", "\0", "x" * 5000, "../../etc", None, 3, ["a.safetensors"]])
def test_what_is_no_file_changes_nothing(workspace: Workspace, packs: Path, odd: object):
    reader = load(workspace, packs)["Reader"]
    assert token(reader, workspace, name=odd, path=odd, text="x") == token(reader, workspace, name="none")


def test_a_node_that_names_no_files_is_not_asked(workspace: Workspace, packs: Path):
    assert not load(workspace, packs)["Plain"].spec.has_change_token


@pytest.mark.parametrize(
    ("spec", "may"),
    [
        (InputSpec("x", "COMBO", choices=Choices(("a.png", "b"))), True),
        (InputSpec("x", "COMBO", choices=Choices(("sub/a.ckpt [output]",))), True),
        (InputSpec("x", "COMBO", choices=Choices(("euler", "dpmpp_2m", "1.5"))), False),
        (InputSpec("x", "COMBO", choices=Choices(())), False),
        (InputSpec("file_path", "STRING"), True),
        (InputSpec("directory", "STRING"), True),
        (InputSpec("text", "STRING"), False),
        (InputSpec("path", "INT"), False),
    ],
)
def test_which_inputs_may_name_files(spec: InputSpec, may: bool):
    assert may_name_a_file(spec) is may


def test_a_change_anywhere_in_a_packs_code_changes_its_nodes(workspace: Workspace, packs: Path):
    before = load(workspace, packs)["Plain"].spec.version
    assert load(workspace, packs)["Plain"].spec.version == before
    (packs / "reading" / "helper.py").write_text("def read(name):\n    return name * 2\n")
    assert load(workspace, packs)["Plain"].spec.version != before
