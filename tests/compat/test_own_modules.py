"""Modules that packs wrap in a patcher of their own: loaded, changed and given back as HOST_API states it."""

import gc
import importlib
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import nn

from nodes.compat.install import install_names
from nodes.compat.standing import NotOffered

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def names():
    install_names()


@pytest.fixture
def management():
    made = host("comfy.model_management")
    yield made
    for entry in [*made.current_loaded_models]:
        entry.model_unload()


def host(name: str) -> Any:
    return importlib.import_module(name)


def wrapped(module: Any = None) -> Any:
    return host("comfy.model_patcher").ModelPatcher(module or nn.Linear(2, 2), CPU, CPU)


@pytest.mark.parametrize("mode", [nullcontext, torch.inference_mode])
def test_weights_are_changed_while_a_clone_is_loaded_and_as_before_when_its_sibling_is(
    mode: Any, management: Any
):
    with mode():
        plain = wrapped()
        weight = plain.model.weight.detach().clone()
        changed = plain.clone()
        taken = changed.add_patches({"weight": (torch.ones(2, 2),), "nothing": (torch.ones(1),)}, 0.5, 2.0)
        assert taken == ["weight"] and not plain.patches
        assert torch.equal(plain.model.weight, weight)  # nothing is on before it is loaded
        for _again in range(3):
            management.load_models_gpu([changed])
            assert torch.allclose(plain.model.weight, 2 * weight + 0.5)
            management.load_models_gpu([plain])
            assert torch.equal(plain.model.weight, weight)
    assert changed.is_clone(plain) and not changed.clone_has_same_weights(plain)
    assert changed.clone().clone_has_same_weights(changed)


def test_patches_that_are_added_later_are_put_on_at_the_next_load(management: Any):
    patcher = wrapped()
    weight = patcher.model.weight.detach().clone()
    for times in (1, 2):
        patcher.add_patches({"weight": (torch.ones(2, 2),)})
        management.load_models_gpu([patcher])
        assert torch.allclose(patcher.model.weight, weight + times)
    (own, *patches) = patcher.get_key_patches()["weight"]
    assert torch.equal(own[0], weight) and len(patches) == 2


def test_a_patch_of_another_shape_is_told_with_the_weight_and_leaves_nothing_behind(management: Any):
    plain = wrapped()
    before = {name: each.detach().clone() for name, each in plain.model.state_dict().items()}
    changed = plain.clone()
    changed.add_patches({"bias": (torch.ones(2),), "weight": (torch.ones(5, 5),)})
    with pytest.raises(RuntimeError, match=r"'weight', which is 2 x 2"):
        management.load_models_gpu([changed])
    management.load_models_gpu([plain])
    assert all(torch.equal(each, before[name]) for name, each in plain.model.state_dict().items())


def test_a_part_of_a_weight_is_changed_alone(management: Any):
    patcher = wrapped(nn.Linear(2, 4))
    weight = patcher.model.weight.detach().clone()
    patcher.add_patches({("weight", (0, 1, 2)): (torch.ones(2, 2),)})
    management.load_models_gpu([patcher])
    assert torch.allclose(patcher.model.weight[1:3], weight[1:3] + 1)
    assert torch.equal(patcher.model.weight[[0, 3]], weight[[0, 3]])


def test_what_a_clone_that_is_gone_had_put_on_is_taken_off(management: Any):
    plain = wrapped()
    weight = plain.model.weight.detach().clone()
    changed = plain.clone()
    changed.add_patches({"weight": (torch.ones(2, 2),)})
    management.load_models_gpu([changed])
    plain.model.current_patcher = None
    del changed
    gc.collect()
    assert management.loaded_models() == []
    management.load_models_gpu([plain])
    assert torch.equal(plain.model.weight, weight)


def test_parts_are_exchanged_while_loaded_and_injections_go_in_and_out(management: Any):
    plain = wrapped(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    relu, told = plain.model[1], []
    changed = plain.clone()
    changed.add_object_patch("1", nn.GELU())
    injection = host("comfy.model_patcher").PatcherInjection(
        lambda patcher: told.append(("in", patcher is changed)),
        lambda patcher: told.append(("out", patcher is changed)),
    )
    changed.set_injections("own", [injection])
    management.load_models_gpu([changed])
    management.load_models_gpu([changed])  # it is there already
    assert isinstance(plain.model[1], nn.GELU) and told == [("in", True)] and changed.is_injected
    assert changed.get_model_object("0") is plain.model[0]
    management.load_models_gpu([plain])
    assert plain.model[1] is relu and told == [("in", True), ("out", True)] and not changed.is_injected


def test_what_is_loaded_is_listed_latest_first_and_let_go(management: Any):
    one, two = wrapped(), wrapped()
    heard = []
    one.add_callback("on_load_after", lambda *told: heard.append(("load", told[0] is one, told[1])))
    one.add_callback("on_detach_after", lambda *told: heard.append(("detach", told[0] is one, told[1])))
    management.load_models_gpu([one, two])
    assert management.loaded_models() == [two, one]
    management.load_model_gpu(one)
    assert management.loaded_models() == [one, two]
    assert [entry.device for entry in management.current_loaded_models] == [CPU, CPU]
    assert management.free_memory(1e30, CPU) == []  # a processor's memory is not freed
    management.unload_model_and_clones(one.clone())
    assert management.loaded_models() == [two]
    assert heard == [("load", True, CPU), ("detach", True, True)]


def test_models_that_patches_bring_are_loaded_with_them(management: Any):
    extra, main = wrapped(), wrapped()

    class Patch:
        def models(self):
            return [extra]

    main.set_model_attn1_patch(Patch())
    management.load_models_gpu([main])
    assert set(management.loaded_models()) == {main, extra}


def test_a_class_of_a_packs_own_is_asked_how_weights_are_made(management: Any):
    class Own(host("comfy.model_patcher").ModelPatcher):
        def calculate_weight(self, patches, weight, key, intermediate_dtype=torch.float32):
            return super().calculate_weight(patches, weight, key) * 0 + 7

        def load(self, *args, **kwargs):
            self.asked = True
            return super().load(*args, **kwargs)

    patcher = Own(nn.Linear(2, 2), CPU, CPU)
    patcher.add_patches({"bias": (torch.ones(2),)})
    management.load_models_gpu([patcher])
    assert patcher.model.bias.tolist() == [7, 7] and patcher.asked


def test_a_half_precision_weight_is_reckoned_in_single_and_rounded_once(management: Any):
    patcher = wrapped(nn.Linear(2, 2).half())
    weight = patcher.model.weight.detach().clone()
    for _each in range(3):
        patcher.add_patches({"weight": (torch.full((2, 2), 0.3001),)})
    management.load_models_gpu([patcher])
    single = weight.float() + 0.3001 + 0.3001 + 0.3001
    assert torch.equal(patcher.model.weight, single.half())


def test_what_the_pool_does_is_asked_in_vain_and_what_cannot_be_is_refused_by_name(management: Any):
    patcher = wrapped()
    assert patcher.apply_hooks(None) == {} and patcher.current_hooks is None
    patcher.clean_hooks()
    patcher.unpin_all_weights()
    assert patcher.pinned_memory_size() == 0 == patcher.partially_unload_ram(100)
    assert patcher.get_free_memory(CPU) > 0
    with pytest.raises(NotOffered, match=r"ModelPatcher\.add_hook_patches"):
        patcher.add_hook_patches(None, {})


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card")
def test_a_module_goes_to_the_card_and_comes_back(management: Any):
    card = torch.device("cuda", torch.cuda.current_device())
    patcher = host("comfy.model_patcher").ModelPatcher(nn.Linear(2, 2), card, CPU)
    management.load_models_gpu([patcher])
    assert patcher.model.weight.device == card == patcher.current_loaded_device()
    management.unload_all_models()
    assert patcher.model.weight.device == CPU
