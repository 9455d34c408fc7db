"""LoRAs made of differences: put on the first model, they give the second."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes.builtin.lora_saving import lora_save
from nodes.builtin.merging import clip_merge_subtract, model_merge_subtract
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Clip, LoraPatch, Model
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny

QUERY = "input_blocks.1.1.transformer_blocks.0.attn1.to_q"
TEXT = "text_model.encoder.layers.1.self_attn.q_proj"


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    return Surroundings(Workspace(tmp_path), {Pool: Pool(placement, 10**9)})


@pytest.fixture
def models(tmp_path: Path):
    """Two checkpoints that differ in one weight of each part, by a matrix of rank 3, and in a bias."""
    first = tiny.original_file(tmp_path / "one.safetensors")
    state, chance = load_file(first), torch.Generator().manual_seed(2)
    added = {
        f"model.diffusion_model.{QUERY}.weight": torch.randn(32, 3, generator=chance)
        @ torch.randn(3, 32, generator=chance),
        f"cond_stage_model.transformer.{TEXT}.weight": torch.ones(64, 1) @ torch.linspace(0, 1, 64)[None],
        "model.diffusion_model.out.2.bias": torch.tensor([0.5, 0.0, -0.5, 1.0]),
    }
    second = {name: tensor + added.get(name, 0.0) for name, tensor in state.items()}
    save_file(second, tmp_path / "two.safetensors")
    hashes = ContentHashes()
    return [hashes.reference(path) for path in (first, tmp_path / "two.safetensors")], added


@pytest.mark.parametrize(("kind", "close"), [("standard", 0.25), ("full_diff", 0.004)])
def test_the_difference_of_two_models_put_on_the_first_gives_the_second(ctx, models, kind, close):
    (one, two), added = models
    difference = model_merge_subtract.run(ctx, model1=Model(two), model2=Model(one), multiplier=1.0)
    words = clip_merge_subtract.run(ctx, clip1=Clip(two), clip2=Clip(one), multiplier=1.0)
    lora_save.run(ctx, rank=3, lora_type=kind, model_diff=difference, text_encoder_diff=words)
    (path,) = (ctx.files.root / "output" / "loras").iterdir()
    assert path.name == "ComfyUI_extracted_lora_00001_.safetensors"
    saved = load_file(path)
    assert all(tensor.dtype == torch.float16 for tensor in saved.values())
    ends = ("lora_up.weight", "lora_down.weight") if kind == "standard" else ("diff",)
    names = {f"diffusion_model.{QUERY}.{end}" for end in ends}
    names |= {f"text_encoders.clip_l.transformer.{TEXT}.{end}" for end in ends}
    assert set(saved) == names | {"diffusion_model.out.2.diff_b"}
    assert "have no difference" in ctx.said[0]
    patch = LoraPatch(ContentHashes().reference(path), 1.0)
    with ctx.resource(Pool).session() as loaded:
        pairs = [
            (loaded.network(made).module.state_dict(), loaded.text(words)["l"].model.state_dict())
            for made, words in (
                (Model(one).patched(patch), Clip(one).patched(patch)),
                (Model(two), Clip(two)),
            )
        ]
        assert loaded.warnings == []
        for ours, theirs in zip(*pairs, strict=True):
            apart = max((ours[name] - theirs[name]).norm().item() for name in ours)
            assert apart <= close * max(tensor.norm().item() for tensor in added.values())


def test_a_difference_of_nothing_is_said(ctx, models):
    (one, _), _ = models
    nothing = model_merge_subtract.run(ctx, model1=Model(one), model2=Model(one), multiplier=1.0)
    with pytest.raises(NodeError, match="are the same"):
        lora_save.run(ctx, model_diff=nothing)
    with pytest.raises(NodeError, match="nothing to save"):
        lora_save.run(ctx)
