"""Changes of a model that Weft cannot make are refused by name: the change, the pack and the node; none goes unsaid."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from nodes.compat.convert import inward
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.values import Model
from tests.compat.tiny_models import Host
from tests.diffusion.models.test_transformers import tiny_network, written
from tests.diffusion.models.transformers import CASES

CASE = next(each for each in CASES if each.name.startswith("AuraFlow"))
PACK = "def change(*given):\n    return given[0]\n\nclass Part:\n    pass\n"
SETTERS = {
    "attn1": lambda model, change: model.set_model_attn1_replace(change, "double_block", 0),
    "attn2": lambda model, change: model.set_model_attn2_replace(change, "double_block", 0),
    "attn1_patch": lambda model, change: model.set_model_attn1_patch(change),
    "attn2_output_patch": lambda model, change: model.set_model_attn2_output_patch(change),
    "double_block": lambda model, change: model.set_model_double_block_patch(change),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Host(tmp_path_factory.mktemp("refused"))
    made.ctx.prompt = {"1": {"class_type": "ChangesModels", "inputs": {}}}
    with made.running():
        yield made


@pytest.fixture(scope="module")
def transformer(host: Host) -> Any:
    path = host.folder / "transformer.safetensors"
    return Model(ContentHashes().reference(written(CASE, tiny_network(CASE), path, "model.diffusion_model.")))


def asked(model: Any) -> torch.Tensor:
    """The model's estimate, with what was set on it."""
    latents, text = torch.zeros(1, *CASE.latents[1:]), torch.zeros(1, 5, CASE.text_width)
    options = model.model_options["transformer_options"]
    return model.model.apply_model(latents, torch.ones(1), c_crossattn=text, transformer_options=options)


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    folder = tmp_path / "custom_nodes"
    (folder / "changing").mkdir(parents=True)
    (folder / "changing" / "changing_parts.py").write_text(PACK)
    monkeypatch.syspath_prepend(str(folder / "changing"))
    yield importlib.import_module("changing_parts")
    monkeypatch.delitem(importlib.sys.modules, "changing_parts")


@pytest.mark.parametrize("name", SETTERS)
def test_a_patch_that_a_transformer_does_not_hear_is_refused(
    host: Host, transformer: Model, pack: Any, name: str
):
    standing = importlib.import_module("nodes.compat.standing")
    model = host.patcher(transformer)
    SETTERS[name](model, pack.change)
    said = rf"The pack changing uses the patch '{name}' inside this kind of model.*node ChangesModels \(1\)"
    with pytest.raises(standing.NotOffered, match=said):
        asked(model)
    assert asked(host.patcher(transformer)).shape == (1, *CASE.latents[1:])


@pytest.mark.parametrize("set_patch", ["set_model_input_block_patch", "set_model_emb_patch"])
def test_a_patch_for_blocks_that_a_transformer_does_not_have_changes_nothing_and_is_told_once(
    host: Host, transformer: Model, pack: Any, set_patch: str
):
    host.ctx.said.clear()
    model = host.patcher(transformer)
    getattr(model, set_patch)(pack.change)
    assert torch.equal(asked(model), asked(host.patcher(transformer)))
    asked(model)
    assert len(host.ctx.said) == 1 and "AuraFlow does not have: this changes nothing" in host.ctx.said[0]


def test_a_patch_for_streams_that_a_unet_does_not_have_is_told(host: Host, pack: Any):
    host.ctx.said.clear()
    model = host.patcher()
    model.set_model_double_block_patch(pack.change)
    host.sampled(model)
    assert [line for line in host.ctx.said if "'double_block'" in line]


def test_a_part_of_a_pack_in_the_model_is_refused_at_the_border(host: Host, pack: Any):
    standing = importlib.import_module("nodes.compat.standing")
    model = host.patcher()
    model.add_object_patch("concat_cond", pack.Part())
    said = r"The pack changing uses .*'concat_cond'.*node ChangesModels \(1\) cannot run"
    with pytest.raises(standing.NotOffered, match=said):
        inward(model, "MODEL")
    assert isinstance(model.get_model_object("concat_cond"), pack.Part)
    untouched = host.patcher()
    assert inward(untouched, "MODEL") == host.recipe
