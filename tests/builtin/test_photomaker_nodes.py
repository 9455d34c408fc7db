"""PhotoMaker and the loader of model patches through their nodes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from nodes.builtin import all_nodes
from nodes.diffusion.lending import ModelPatch
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.photomaker import Fuse
from nodes.diffusion.models.vision import DEVIATIONS, MEANS
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Clip, Model, Vae
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models.test_vision import LARGE, SEEN, clip
from tests.diffusion.models.tiny import seeded
from tests.diffusion.test_xl_pipeline_parity import left, right

NODES = {entry.spec.id: entry for entry in all_nodes()}
PLACEMENT = Placement(torch.device("cpu"), torch.float32, torch.float32)
WIDTHS = 16, 32  # of both text encoders


def network() -> nn.Module:
    parts = nn.Module()
    parts.visual_projection = nn.Linear(64, WIDTHS[0], bias=False)
    parts.visual_projection_2 = nn.Linear(64, WIDTHS[1], bias=False)
    parts.fuse_module = Fuse(sum(WIDTHS))
    return seeded(parts, 8)


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    path = tmp_path_factory.mktemp("photo")
    models = path / "models"
    for folder in ("photomaker", "text_encoders", "model_patches", "checkpoints"):
        (models / folder).mkdir(parents=True)
    eye = {name: part for name, part in clip(LARGE).state_dict().items() if "projection" not in name}
    held = {f"id_encoder.{name}": part for name, part in (eye | network().state_dict()).items()}
    save_file(held, models / "photomaker" / "one.safetensors")
    later = held | {"id_encoder.qformer_perceiver.token_proj.0.weight": torch.zeros(1)}
    save_file(later, models / "photomaker" / "two.safetensors")
    left().save_pretrained(models / "checkpoints" / "xl" / "text_encoder")
    right().save_pretrained(models / "checkpoints" / "xl" / "text_encoder_2")
    blocks = {"controlnet_blocks.0.y_rms.weight": torch.ones(4), "img_in.weight": torch.ones(4, 64)}
    save_file(blocks, models / "model_patches" / "qwen.safetensors")
    save_file(
        {"feature_embedder.mid_layer_norm.bias": torch.ones(4)}, models / "model_patches" / "uso.safetensors"
    )
    save_file({"else": torch.ones(4)}, models / "model_patches" / "other.safetensors")
    return Surroundings(Workspace(path), {Pool: Pool(PLACEMENT, 2**30), ContentHashes: ContentHashes()})


def read(around: Surroundings, **told: object) -> Any:
    made: Any = NODES["CLIPTextEncode"].run(around, **told)
    return made[0]


def encoded(around: Surroundings, text: str) -> Any:
    folder = around.files.root / "models" / "checkpoints" / "xl"
    clip_both = Clip(around.resource(ContentHashes).reference(folder))
    maker = NODES["PhotoMakerLoader"].run(around, photomaker_model_name="one.safetensors")
    return NODES["PhotoMakerEncode"].run(
        around, photomaker=maker, image=SEEN[:1], clip=clip_both, text=text
    ), clip_both


def test_the_word_before_the_trigger_becomes_the_person(around: Surroundings):
    (made,), clip_both = encoded(around, "a woman photomaker, smiling".replace("photomaker,", "photomaker ,"))
    plain = read(around, clip=clip_both, text="a woman , smiling")
    planes = (SEEN[:1].movedim(-1, 1) * 255.0).round() / 255.0
    mean, deviation = (torch.tensor(part).reshape(1, 3, 1, 1) for part in (MEANS, DEVIATIONS))
    vector = clip(LARGE).vision_model((planes - mean) / deviation).pooler_output
    parts: Any = network()
    shown = torch.cat((parts.visual_projection(vector), parts.visual_projection_2(vector)), -1)
    word, fuse = plain.context[:, 2], parts.fuse_module

    def layers(part: Any, tokens: torch.Tensor) -> torch.Tensor:
        return part.fc2(F.gelu(part.fc1(part.layernorm(tokens))))

    first = layers(fuse.mlp1, torch.cat((word, shown), -1)) + word
    wanted = fuse.layer_norm(layers(fuse.mlp2, first) + first)
    torch.testing.assert_close(made.context[:, 2], wanted, rtol=1e-4, atol=1e-4)
    others = [place for place in range(77) if place != 2]
    assert torch.equal(made.context[:, others], plain.context[:, others])
    assert torch.equal(made.pooled, plain.pooled)


def test_without_the_word_it_is_a_prompt_and_first_it_is_an_error(around: Surroundings):
    (made,), clip_both = encoded(around, "a woman")
    plain = read(around, clip=clip_both, text="a woman")
    assert torch.equal(made.context, plain.context) and "photomaker" in around.said[-1]
    with pytest.raises(NodeError, match="begins with"):
        encoded(around, "photomaker woman")
    with pytest.raises(NodeError, match="second version"):
        NODES["PhotoMakerLoader"].run(around, photomaker_model_name="two.safetensors")


def test_patches_are_told_by_their_tensors(around: Surroundings):
    for name in ("qwen", "uso"):
        assert isinstance(NODES["ModelPatchLoader"].run(around, name=f"{name}.safetensors"), ModelPatch)
    with pytest.raises(NodeError, match="no model patch"):
        NODES["ModelPatchLoader"].run(around, name="other.safetensors")


def test_a_patch_rides_on_the_model_with_what_stays_of_the_picture(around: Surroundings):
    patch = NODES["ModelPatchLoader"].run(around, name="qwen.safetensors")
    told = {
        "model": Model(patch.checkpoint),
        "model_patch": patch,
        "vae": Vae(patch.checkpoint),
        "strength": 0.5,
    }
    mask = torch.ones(1, 4, 4) * 0.25
    made = NODES["QwenImageDiffsynthControlnet"].run(around, **told, image=torch.rand(1, 8, 8, 4), mask=mask)
    (rule,) = made.rules
    assert rule.use.hint.shape[-1] == 3 and rule.use.strength == 0.5
    assert torch.equal(rule.use.mask, 1.0 - mask)
    gray = NODES["ZImageFunControlnet"].run(
        around, **told, image=None, inpaint_image=torch.rand(1, 8, 8, 3), mask=None
    )
    assert torch.equal(gray.rules[0].use.hint, torch.full((1, 8, 8, 3), 0.5))
    with pytest.raises(NodeError, match="no VAE"):
        NODES["ZImageFunControlnet"].run(
            around, **told | {"vae": None}, image=None, inpaint_image=None, mask=None
        )
