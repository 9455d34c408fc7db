"""Hooks as packs make and change them, beside our own nodes for the same jobs; both work in a run."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes.compat.convert import inward, outward
from nodes.diffusion.values import CheckpointRef, Cond, Hook, HookGroup
from tests.compat.tiny_models import EMPTY, NEAR, PROMPTS, Host

RUN = {"seed": 5, "steps": 2, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
OTHER = HookGroup((Hook(CheckpointRef(Path("other"), "other"), 0.25, 0.5, whole=True),))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Host(tmp_path_factory.mktemp("hooks"))
    with made.running():
        weights = made.patcher().model_state_dict()
        name = next(k for k in weights if k.endswith("attn1.to_q.weight"))
        called = "lora_unet_" + name.removeprefix("diffusion_model.").removesuffix(".weight")
        called, (rows, columns) = called.replace(".", "_"), weights[name].shape
        chance = torch.Generator().manual_seed(1)
        parts = {"up": torch.randn(rows, 2, generator=chance), "down": torch.randn(2, columns)}
        folder = made.folder / "models" / "loras"
        folder.mkdir(parents=True, exist_ok=True)
        save_file({f"{called}.lora_{k}.weight": v for k, v in parts.items()}, folder / "style.safetensors")
        yield made


@pytest.fixture(scope="module")
def ours(host: Host) -> Any:
    return host.run("CreateHookLora", lora_name="style.safetensors", strength_model=0.7, strength_clip=0.5)


@pytest.fixture
def hooks() -> Any:
    return importlib.import_module("comfy.hooks")


@pytest.fixture
def lora(host: Host) -> dict[str, torch.Tensor]:
    return load_file(host.folder / "models" / "loras" / "style.safetensors")


def sampled(host: Host, positive: tuple[Cond, ...]) -> torch.Tensor:
    given = {**PROMPTS, "positive": positive}
    return host.run("KSampler", model=host.recipe, latent_image=EMPTY, **given, **RUN).samples


def test_a_lora_from_memory_hooks_a_condition_as_our_node_does(
    host: Host, hooks: Any, lora: Any, ours: HookGroup
):
    made = hooks.create_hook_lora(lora, 0.7, 0.5)
    entries: Any = outward(PROMPTS["positive"])
    theirs: Any = inward(hooks.set_hooks_for_conditioning(entries, made), "CONDITIONING")
    own = host.run("ConditioningSetProperties", cond_NEW=PROMPTS["positive"], strength=1.0,
                   set_cond_area="default", hooks=ours)  # fmt: skip
    assert "hooks" not in entries[0][1]
    (hook,), (wanted,) = theirs[0].hooks.hooks, ours.hooks
    assert (hook.strength_model, hook.strength_clip, hook.whole) == (0.7, 0.5, wanted.whole)
    one, other, plain = (sampled(host, each) for each in (theirs, own, PROMPTS["positive"]))
    assert torch.allclose(one, other, atol=NEAR) and not torch.allclose(one, plain, atol=1e-3)


def test_our_hooks_come_back_from_packs_as_they_were(ours: HookGroup, host: Host, hooks: Any):
    faded = host.run("CreateHookKeyframe", strength_mult=0.5, start_percent=0.25)
    hooked = host.run("SetHookKeyframes", hooks=ours, hook_kf=faded)
    group: Any = outward(hooked)
    assert isinstance(group, hooks.HookGroup) and isinstance(group.hooks[0], hooks.WeightHook)
    assert inward(group, "HOOKS") == hooked and inward(outward(faded), "HOOK_KEYFRAMES") == faded
    entry: Any = outward((Cond(torch.zeros(1, 2, 3), hooks=hooked),))
    assert isinstance(entry[0][1]["hooks"], hooks.HookGroup)
    again: Any = inward(entry, "CONDITIONING")
    assert again[0].hooks == hooked and "hooks" not in again[0].extra
    group.hooks[0].strength_model = 0.1
    changed: Any = inward(group, "HOOKS")
    assert changed.hooks[0].strength_model == 0.1 and hooked.hooks[0].strength_model == 0.7


def test_groups_are_combined_as_our_nodes_do(host: Host, hooks: Any, ours: HookGroup):
    combined = hooks.HookGroup.combine_all_hooks
    one, other, same = outward(ours), outward(OTHER), outward(ours)
    both = combined([one, None, other, same])
    assert inward(both, "HOOKS") == host.run("CombineHooks2", hooks_A=ours, hooks_B=OTHER)
    assert combined([None, None]) is None and combined([]) is None and combined([None, one]) is one
    assert len(one.hooks) == 1 and not one.contains(other.hooks[0]) and both.contains(one.hooks[0])
    assert both.get_type(hooks.EnumHookType.Weight) == both.hooks
    both.remove(one.hooks[0])
    assert inward(both, "HOOKS") == OTHER
    copied = one.clone()
    copied.hooks[0].strength_clip = 0.0
    copied.reset()
    assert inward(one, "HOOKS") == ours


def test_keyframes_of_a_pack_are_those_of_our_nodes(host: Host, hooks: Any, ours: HookGroup):
    keyframes = hooks.HookKeyframeGroup()
    keyframes.add(hooks.HookKeyframe(1.0, start_percent=0.5))
    keyframes.add(hooks.HookKeyframe(0.25, 0.0, guarantee_steps=1))
    first = host.run("CreateHookKeyframe", strength_mult=0.25, start_percent=0.0)
    wanted = host.run("CreateHookKeyframe", strength_mult=1.0, start_percent=0.5, prev_hook_kf=first)
    assert inward(keyframes, "HOOK_KEYFRAMES") == wanted
    group: Any = outward(ours)
    group.set_keyframes_on_hooks(keyframes)
    assert inward(group, "HOOKS") == host.run("SetHookKeyframes", hooks=ours, hook_kf=wanted)
    entries: Any = outward((Cond(torch.zeros(1, 2, 3), hooks=OTHER),))
    beside: Any = inward(hooks.set_hooks_for_conditioning(entries, outward(ours)), "CONDITIONING")
    instead: Any = inward(hooks.set_hooks_for_conditioning(entries, outward(ours), False), "CONDITIONING")
    assert beside[0].hooks == OTHER.with_hooks(ours) and instead[0].hooks == ours


def test_hooks_that_change_no_weights_are_refused_by_name(hooks: Any):
    standing = importlib.import_module("nodes.compat.standing")
    for hook, said in (
        (hooks.TransformerOptionsHook({"patches": {}}), "TransformerOptionsHook"),
        (hooks.WeightHook(0.5), "without weights"),
    ):
        group = hooks.HookGroup()
        group.add(hook)
        with pytest.raises(standing.NotOffered, match=said):
            inward(group, "HOOKS")
