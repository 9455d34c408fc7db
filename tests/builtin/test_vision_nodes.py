"""Vision nodes: from files in a workspace to what conditioning holds; style models' tokens and what hides them."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nodes.builtin import all_nodes
from nodes.builtin.storage import ResultCodec
from nodes.builtin.vision import attention_bias
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Cond
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.test_vision import LARGE, SEEN, clip

NODES = {entry.spec.id: entry for entry in all_nodes()}
WIDTH, STYLE = 16, 5  # of the prompt; tokens that the vision model makes of a picture


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    files = Workspace(tmp_path)
    for folder in ("clip_vision", "style_models"):
        (tmp_path / "models" / folder).mkdir(parents=True, exist_ok=True)
    save_file(clip(LARGE).state_dict(), tmp_path / "models" / "clip_vision" / "eye.safetensors")
    chance = torch.Generator().manual_seed(4)
    style = {
        "redux_up.weight": torch.randn(32, 64, generator=chance),
        "redux_up.bias": torch.zeros(32),
        "redux_down.weight": torch.randn(WIDTH, 32, generator=chance),
        "redux_down.bias": torch.ones(WIDTH),
    }
    save_file(style, tmp_path / "models" / "style_models" / "redux.safetensors")
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    return Surroundings(files, {Pool: Pool(placement, 2**30), ContentHashes: ContentHashes()})


def seen(around: Surroundings) -> ClipVisionOutput:
    eye = NODES["CLIPVisionLoader"].run(around, clip_name="eye.safetensors")
    return NODES["CLIPVisionEncode"].run(around, clip_vision=eye, image=SEEN, crop="center")


def styled(around: Surroundings, cond: Cond, strength: float, kind: str) -> Cond:
    style = NODES["StyleModelLoader"].run(around, style_model_name="redux.safetensors")
    made = NODES["StyleModelApply"].run(
        around,
        conditioning=(cond,),
        style_model=style,
        clip_vision_output=seen(around),
        strength=strength,
        strength_type=kind,
    )
    return made[0]


def text(**more: object) -> Cond:
    return Cond(torch.ones(1, 3, WIDTH), extra=dict(more))


def test_what_was_seen_is_kept_bit_for_bit(around: Surroundings):
    output, codec = seen(around), ResultCodec()
    again = codec.unpack(codec.pack(output))
    assert isinstance(again, ClipVisionOutput)
    torch.testing.assert_close(again["image_embeds"], output.image_embeds, rtol=0, atol=0)
    assert again.image_sizes == output.image_sizes == ((3, 28, 28),) * 2


def test_a_picture_adds_tokens_behind_the_prompt_for_each_of_its_batch(around: Surroundings):
    made = styled(around, text(), 1.0, "attn_bias")
    assert made.context.shape == (1, 3 + 2 * STYLE, WIDTH) and not made.extra
    half = styled(around, text(), 0.5, "multiply")
    torch.testing.assert_close(half.context[:, 3:], made.context[:, 3:] * 0.5)
    torch.testing.assert_close(half.context[:, :3], torch.ones(1, 3, WIDTH))


@pytest.mark.parametrize(("strength", "bias"), [(0.5, math.log(0.5)), (0.0, -math.inf)])
def test_a_bias_lies_on_what_text_and_picture_pay_to_the_style(
    around: Surroundings, strength: float, bias: float
):
    made = styled(around, text(attention_mask_img_shape=(2, 2)), strength, "attn_bias")
    mask, style = made.extra["attention_mask"], slice(3, 3 + 2 * STYLE)
    assert isinstance(mask, torch.Tensor) and mask.dtype == torch.float16
    expected = torch.zeros(1, 7 + 2 * STYLE, 7 + 2 * STYLE, dtype=torch.float16)
    expected[:, :, style] = bias
    expected[:, style] = 0.0
    assert torch.equal(mask, expected)


def test_a_mask_that_was_there_stays_around_the_style():
    before = torch.ones(1, 5, 5, dtype=torch.bool)
    before[:, 1, 4] = False
    made = attention_bias(before, (3, 2, 2), 1, 0.0)
    assert made[0, 1, 6] == -math.inf and made.isinf().sum() == 1
    again = attention_bias(made, (5, 2, 2), 1, -1.0)
    assert again[0, 1, 8] == -math.inf and again.isinf().sum() == 1 and (again == -1.0).sum() == 7 * 2


def test_a_style_of_another_family_is_refused(around: Surroundings):
    with pytest.raises(NodeError, match="16 features; the prompt has 8"):
        styled(around, Cond(torch.ones(1, 3, 8)), 1.0, "multiply")


def test_a_file_of_another_kind_is_refused_by_the_loader(around: Surroundings):
    folder = around.files.find("style_models", "redux.safetensors")
    folder.rename(folder.parents[1] / "clip_vision" / "redux.safetensors")
    with pytest.raises(NodeError, match="vision model"):
        NODES["CLIPVisionLoader"].run(around, clip_name="redux.safetensors")
