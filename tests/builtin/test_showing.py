"""What is sent, shown or told: pictures to a client, drawings, texts of one's own list, tracks, words in a schedule."""

import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image as Pillow

from nodes.builtin import all_nodes
from nodes.diffusion.media import Svg, Tracks
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

NODES = {entry.spec.id: entry for entry in all_nodes()}


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def test_pictures_are_sent_in_full_size_without_loss(ctx: Surroundings):
    images = torch.rand(2, 700, 9, 3)
    NODES["SaveImageWebsocket"].run(ctx, images=images)
    assert [sent.kind for sent in ctx.pictures] == ["png", "png"]
    with Pillow.open(BytesIO(ctx.pictures[1].data)) as opened:
        assert opened.size == (9, 700)
        assert opened.getpixel((3, 5)) == tuple((images[1, 5, 3] * 255).int().tolist())
    assert not list((ctx.files.root / "output").rglob("*.png"))


@pytest.mark.parametrize("theirs", [False, True])
def test_a_drawing_is_saved_with_what_made_it(ctx: Surroundings, theirs: bool):
    file = b'<?xml version="1.0"?><svg width="4"><path d="M0 0"/></svg>'
    svg = SimpleNamespace(data=[BytesIO(file)]) if theirs else Svg((file,))
    prompt = {"1": {"text": "a ]]> b"}}
    shown = NODES["SaveSVGNode"].run(ctx, svg=svg, filename_prefix="svg/x", prompt=prompt).ui["images"]
    assert shown == [{"filename": "x_00001_.svg", "subfolder": "svg", "type": "output"}]
    text = (ctx.files.root / "output" / "svg" / "x_00001_.svg").read_text()
    assert text.startswith('<?xml version="1.0"?><svg width="4">\n<metadata>\n<![CDATA[\n{')
    told = text.split("<![CDATA[", 1)[1].rsplit("]]>", 1)[0].replace("]]]]><![CDATA[>", "]]>")
    assert json.loads(told)["prompt"] == prompt
    assert text.endswith('<path d="M0 0"/></svg>')


def test_what_is_no_drawing_is_refused(ctx: Surroundings):
    with pytest.raises(NodeError, match="svg holds no drawings"):
        NODES["SaveSVGNode"].run(ctx, svg="<svg/>", filename_prefix="x")


def test_any_text_may_be_chosen_from_a_list_of_ones_own(ctx: Surroundings):
    node = NODES["CustomCombo"]
    assert "choice" in node.spec.validates
    assert node.run(ctx, choice="nowhere listed") == "nowhere listed"


def test_a_capture_is_the_file_that_was_uploaded(ctx: Surroundings):
    Pillow.new("RGB", (4, 3), (255, 0, 51)).save(ctx.files.root / "input" / "shot.png")
    made = NODES["WebcamCapture"].run(ctx, image="shot.png")
    assert made.shape == (1, 3, 4, 3)
    assert torch.allclose(made[0, 0, 0], torch.tensor([1.0, 0.0, 0.2]))


def test_a_thing_is_shown_before_a_picture(ctx: Surroundings):
    shown = NODES["Preview3D"].run(
        ctx, model_file="a.glb", camera_info={"x": 1}, bg_image=torch.ones(1, 2, 2, 3)
    )
    model, camera, background = shown.ui["result"]
    assert (model, camera) == ("a.glb", {"x": 1})
    assert (ctx.files.root / background).is_file()


def test_tracks_are_discs_with_tails_where_they_can_be_seen(ctx: Surroundings):
    path = torch.tensor([[[5.0, 10.0]], [[25.0, 10.0]], [[35.0, 10.0]]])
    seen = torch.tensor([[True], [True], [False]])
    black = torch.zeros(1, 20, 40, 3)
    made = NODES["WanMoveVisualizeTracks"].run(
        ctx,
        images=black,
        line_resolution=2,
        circle_size=6,
        opacity=1.0,
        line_width=3,
        tracks=Tracks(path, seen),
    )
    assert made.shape == (3, 20, 40, 3)
    assert made[0, 10, 5].max() > 0.8 and not made[0, 10, 15].any()
    assert made[1, 10, 25].max() > 0.8 and made[1, 10, 15].any() and not made[1, 16, 15].any()
    assert not made[2].any()


@pytest.mark.parametrize(
    ("text", "levels", "said"),
    [
        ("1, 0.5 0", [1.0, 0.5, 0.0], []),
        ("[2. ; 1]", [2.0, 1.0], []),
        ("1, high, 0", [1.0, 0.0], ["Not numbers as this node reads them: high. The levels are: 1, 0."]),
        ("1e-3", [1.0, -3.0], ["Not numbers as this node reads them: 1e-3. The levels are: 1, -3."]),
    ],
)
def test_words_in_a_schedule_are_told(ctx: Surroundings, text: str, levels: list[float], said: list[str]):
    assert NODES["ManualSigmas"].run(ctx, sigmas=text).tolist() == levels
    assert ctx.said == said
