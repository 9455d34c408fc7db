"""Control networks as packs hold them, and weights from memory: what they come to is what our own nodes make."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from nodes.compat.convert import inward, outward
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.values import CheckpointRef, Cond, ControlNet, ControlUse, Model, Vae
from tests.compat.tiny_models import PROMPTS, Host
from tests.diffusion.models import tiny

NET = ControlNet(CheckpointRef(Path("net.safetensors"), "net"))


@pytest.fixture(scope="module", autouse=True)
def host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Host(tmp_path_factory.mktemp("controls"))
    with made.running():
        yield made


def test_a_control_is_applied_as_packs_do_it_and_is_our_node_s(host: Host):
    picture = torch.rand(1, 16, 16, 3)
    vae = Vae(CheckpointRef(Path("vae"), "vae"))
    ours = host.run(
        "ControlNetApplyAdvanced", control_net=NET, image=picture, strength=0.5, start_percent=0.1,
        end_percent=0.8, vae=vae, **PROMPTS,
    )[0]  # fmt: skip
    ours = host.run("ControlNetApply", conditioning=ours, control_net=NET, image=picture, strength=0.25)
    theirs: list[Any] = []
    entries: Any = outward(PROMPTS["positive"])
    for text, options in entries:
        first = outward(NET).copy().set_cond_hint(picture.movedim(-1, 1), 0.5, (0.1, 0.8), outward(vae))
        first.also_negative = False
        second = (
            outward(NET).copy().set_cond_hint(picture.movedim(-1, 1), 0.25).set_previous_controlnet(first)
        )
        theirs.append([text, {**options, "control": second, "control_apply_to_uncond": True}])
    made: Any = inward(theirs, "CONDITIONING")
    assert [told(use) for use in made[0].controls] == [told(use) for use in ours[0].controls]
    again: Any = inward(outward(ours), "CONDITIONING")
    assert [told(use) for use in again[0].controls] == [told(use) for use in ours[0].controls]
    assert again[0].controls[0].hint is picture or torch.equal(again[0].controls[0].hint, picture)
    assert inward(outward(NET), "CONTROL_NET") == NET


def told(use: ControlUse) -> Any:
    return (
        use.net, use.strength, use.start_percent, use.end_percent, use.vae, use.also_negative,
        use.hint.shape,
    )  # fmt: skip


def test_what_is_set_on_a_copy_leaves_the_first_alone():
    controls = importlib.import_module("comfy.controlnet")
    first: Any = outward(NET)
    second = first.copy().set_cond_hint(torch.zeros(1, 3, 8, 8), 0.3)
    second.set_extra_arg("control_type", [2])
    assert isinstance(second, controls.ControlNet) and isinstance(second, controls.ControlBase)
    assert (first.strength, second.strength, first.cond_hint_original) == (1.0, 0.3, None)
    assert inward(second, "CONTROL_NET") == replace(NET, kind=2)
    second.pre_run(None, lambda percent: 1.0 - percent)
    assert second.timestep_range == (1.0, 0.0)
    part = torch.ones(1, 2, 2, 2)
    merged = second.control_merge({"output": [part]}, {"output": [torch.ones(1, 2, 2, 2)]}, torch.float32)
    assert torch.allclose(merged["output"][0], torch.full((1, 2, 2, 2), 1.3))


def test_a_control_of_a_pack_s_own_making_is_refused_by_name():
    controls, standing = (
        importlib.import_module("comfy.controlnet"),
        importlib.import_module("nodes.compat.standing"),
    )

    class Own(controls.ControlBase):
        pass

    entry = [[torch.zeros(1, 2, 3), {"control": Own()}]]
    with pytest.raises(standing.NotOffered, match="Own"):
        inward(entry, "CONDITIONING")


def test_models_of_weights_in_memory_are_those_of_their_files(host: Host, tmp_path: Path):
    sd, hashes = importlib.import_module("comfy.sd"), ContentHashes()
    whole = tiny.original_file(tmp_path / "whole.safetensors")
    picture = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(1))
    own: Any = outward(Vae(hashes.reference(whole)))
    made = sd.VAE(sd=tiny.original_vae(""))
    assert torch.allclose(made.encode(picture), own.encode(picture), atol=1e-5)
    prefix = "model.diffusion_model."
    stored = {name: each for name, each in load_file(whole).items() if name.startswith(prefix)}
    model = sd.load_diffusion_model_state_dict(stored)
    theirs = host.patcher(Model(hashes.reference(whole))).model_state_dict()
    weights = model.model_state_dict()
    assert weights.keys() == theirs.keys() and all(
        torch.equal(weights[name], theirs[name]) for name in weights
    )
    assert sd.load_diffusion_model_state_dict(stored).recipe == model.recipe
    assert sd.load_diffusion_model_state_dict({"x": torch.zeros(1)}) is None


def test_an_empty_text_stays_without_controls():
    cond = Cond(torch.zeros(1, 2, 3))
    made: Any = outward((cond,))
    assert "control" not in made[0][1]


def test_a_sound_is_heard_on_a_pack_s_node_as_on_ours(host: Host):
    ui = importlib.import_module("comfy_api.latest").ui
    sound = {"waveform": torch.rand(1, 1, 800), "sample_rate": 8000}
    (shown,) = ui.PreviewAudio(sound).as_dict()["audio"]
    assert shown["type"] == "temp" and (host.folder / "temp" / shown["filename"]).is_file()
