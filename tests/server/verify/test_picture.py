"""What a picture says is read from anybody, and what is wrong with it is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nodes.spec import RECORD, RecordedFile
from server.verify.picture import Picture, Unreadable, read
from tests.server.verify.pictures import HASH, LARGEST, PROMPT, record, save


def test_a_record_is_read_whole(tmp_path: Path):
    picture = read(save(tmp_path / "a.png", record(), texts={"workflow": '{"nodes": []}'}))
    said = picture.record
    assert said is not None and not said.is_newer
    assert (picture.width, picture.height, picture.prompt) == (6, 4, PROMPT)
    assert picture.workflow == {"nodes": []}
    assert (said.job, said.node, said.call, said.index, said.count) == ("job", "3", 0, 0, 2)
    assert said.files == (RecordedFile("checkpoints", "a.safetensors", 7, HASH),)
    assert said.seeds == {"2.seed": LARGEST}
    assert said.nodes["Draw"].module == "custom_nodes.drawers"
    assert not picture.is_edited and not picture.is_prompt_changed


def test_an_edited_picture_is_told_from_one_that_was_only_packed_anew(tmp_path: Path):
    path = save(tmp_path / "a.png", record())
    with Image.open(path) as opened:
        texts, pixels = dict(opened.text), opened.convert("RGBA")  # type: ignore[attr-defined]
    packed = save(tmp_path / "packed.png", json.loads(texts[RECORD]))
    with Image.open(packed) as opened:
        assert opened.mode == "RGB"
    assert not read(packed).is_edited
    pixels.putpixel((1, 1), (0, 0, 0, 255))
    edited = save(tmp_path / "edited.png", json.loads(texts[RECORD]), colour="red")
    assert read(edited).is_edited


def test_a_changed_prompt_is_told(tmp_path: Path):
    other = {**PROMPT, "2": {"class_type": "Draw", "inputs": {"seed": 1}}}
    path = save(tmp_path / "a.png", record(prompt="0" * 64), other)
    assert read(path).is_prompt_changed


def test_a_photo_carries_a_prompt_in_its_exif(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(PROMPT)
    exif[0x010F] = 'Workflow:{"nodes": []}'
    for name in ("a.jpg", "a.webp"):
        Image.new("RGB", (6, 4)).save(tmp_path / name, exif=exif)
        picture = read(tmp_path / name)
        assert (picture.prompt, picture.workflow, picture.record) == (PROMPT, {"nodes": []}, None)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no file"),
        (b"", "is not a picture"),
        (b"hello", "is not a picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "is not a picture"),
    ],
)
def test_what_is_no_picture_is_told(tmp_path: Path, content: bytes | None, words: str):
    path = tmp_path / "odd.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unreadable, match=words):
        read(path)


def test_a_folder_and_a_cut_off_picture_are_told(tmp_path: Path):
    with pytest.raises(Unreadable, match="is not a picture"):
        read(tmp_path)
    whole = Image.effect_noise((64, 64), 50)
    whole.save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:1000])
    with pytest.raises(Unreadable, match="damaged or cut short"):
        read(tmp_path / "cut.png")


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({}, "does not say what made it"),
        ({"prompt": "{"}, "The prompt in .* is not JSON"),
        ({"prompt": "[" * 100_000}, "The prompt in .* is not JSON"),
        ({"prompt": "[1]"}, "is no prompt"),
        ({"workflow": "nonsense"}, "The workflow in .* is not JSON"),
        ({RECORD: "{,}"}, "The record in .* is not JSON"),
        ({RECORD: '"text"'}, "The record in .* is none"),
    ],
)
def test_texts_that_cannot_be_used_are_told(tmp_path: Path, texts: dict[str, str], words: str):
    with pytest.raises(Unreadable, match=words):
        read(save(tmp_path / "a.png", None, None, texts=texts))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(record())), JSON))
def test_a_record_with_anything_in_it_is_read(tmp_path_factory: pytest.TempPathFactory, odd: dict[str, Any]):
    path = tmp_path_factory.getbasetemp() / "odd.png"
    assert isinstance(read(save(path, record(**odd))), Picture)
