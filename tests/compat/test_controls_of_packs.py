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
from tests.compat.tiny_models import EMPTY, PROMPTS, Host
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


def pairs(conds: Any) -> Any:
    """Conditions as packs hold them."""
    return outward(conds)


def own(get: Any) -> Any:
    """A control of a pack that gives what a function says."""
    base = importlib.import_module("comfy.controlnet").ControlBase

    class Own(base):
        def get_control(self, *given: Any) -> Any:
            return get(self, *given)

        def copy(self) -> Any:
            made = Own()
            self.copy_to(made)
            return made

    return Own()


def steered(host: Host, control: Any) -> torch.Tensor:
    """What comes of both prompts with a control of a pack."""
    prompts: dict[str, Any] = {
        side: inward(
            [[text, {**options, "control": control}] for text, options in pairs(conds)], "CONDITIONING"
        )
        for side, conds in PROMPTS.items()
    }
    return host.run(
        "KSampler", model=host.recipe, latent_image=EMPTY, seed=5, steps=2, cfg=3.0, sampler_name="euler",
        scheduler="normal", denoise=0.5, **prompts,
    ).samples  # fmt: skip


def test_a_control_of_a_pack_s_own_making_adds_to_blocks_as_patches_of_them_do(host: Host):
    """Lists are taken from their ends: the last of "input" is for the first input block, of "output" for the first output
    block, whose skip is the last input block's."""
    part, calls = torch.full((1, 1, 1, 1), 0.1), []

    def get(control: Any, x: Any, t: Any, cond: Any, sides: int, options: Any) -> Any:
        calls.append(
            (tuple(x.shape), len(t), tuple(cond["c_crossattn"].shape[1:]), sides, float(x.std() / t[0]))
        )
        assert control.timestep_range[0] > float(t[0]) > control.timestep_range[1]
        return {"input": [part, None], "middle": [part], "output": [None, part * 2]}

    made = steered(host, own(get).set_cond_hint(torch.rand(1, 3, 16, 16)))
    model = host.patcher()
    model.set_model_input_block_patch(lambda h, options: h + 0.1 if options["block"][1] == 1 else h)
    model.set_model_middle_block_after_patch(lambda told: {"h": told["h"] + 0.1})
    model.set_model_output_block_patch(
        lambda h, skip, options: (h, skip + 0.2) if options["block"][1] == 0 else (h, skip)
    )
    assert torch.allclose(made, host.sampled(model), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(made, host.sampled(host.recipe), atol=1e-3)
    first = calls[0]
    assert first[0][1:] == (4, 8, 8) and first[1] == first[0][0] and first[2] == (77, 192)
    assert first[4] == pytest.approx(
        1.0, abs=0.3
    )  # noisy latents as samplers have them, not as the network is given them


def test_a_control_of_a_pack_that_gives_nothing_changes_nothing(host: Host):
    made = steered(host, own(lambda *_: None).set_cond_hint(torch.rand(1, 3, 16, 16)))
    assert torch.allclose(made, host.sampled(host.recipe), atol=1e-5, rtol=1e-5)


def test_a_control_of_a_pack_asks_ours_before_it(host: Host, tmp_path: Path):
    model = Model(ContentHashes().reference(tiny.original_file(tmp_path / "tiny.safetensors")))
    net = ControlNet(ContentHashes().reference(tiny.original_control(tmp_path / "control.safetensors")))
    picture, latent = torch.rand(1, 64, 64, 3), replace(EMPTY, samples=torch.zeros(1, 4, 8, 8))
    sides = {
        side: (Cond(torch.linspace(-1, end, 77 * 64).reshape(1, 77, 64)),)
        for side, end in (("positive", 2.0), ("negative", 1.0))
    }
    applied = host.run(
        "ControlNetApplyAdvanced", control_net=net, image=picture, strength=0.7, start_percent=0.0,
        end_percent=1.0, **sides,
    )  # fmt: skip
    told = {"seed": 5, "steps": 2, "cfg": 3.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    ours = host.run(
        "KSampler", model=model, latent_image=latent, positive=applied[0], negative=applied[1], **told
    ).samples
    passes = own(lambda self, *given: self.previous_controlnet.get_control(*given))
    before = outward(net).copy().set_cond_hint(picture.movedim(-1, 1), 0.7)
    passes.set_cond_hint(picture.movedim(-1, 1)).set_previous_controlnet(before)
    entries = {
        side: inward(
            [[text, {**options, "control": passes}] for text, options in pairs(conds)], "CONDITIONING"
        )
        for side, conds in sides.items()
    }
    made = host.run("KSampler", model=model, latent_image=latent, **entries, **told).samples
    assert torch.allclose(made, ours, atol=1e-3, rtol=1e-4)  # of some hundreds
    plain = host.run("KSampler", model=model, latent_image=latent, **sides, **told).samples
    assert not torch.allclose(made, plain, atol=1e-3)


def test_a_control_of_a_pack_crosses_wires_and_is_put_to_work_by_our_nodes(host: Host):
    hints: list[Any] = []

    def get(control: Any, *_given: Any) -> Any:
        hints.append((tuple(control.cond_hint_original.shape), control.strength))

    wired = inward(own(get), "CONTROL_NET")
    assert outward(wired) is outward(inward(outward(wired), "CONTROL_NET"))
    applied = host.run(
        "ControlNetApplyAdvanced", control_net=wired, image=torch.rand(1, 16, 16, 3), strength=0.5,
        start_percent=0.0, end_percent=1.0, **PROMPTS,
    )  # fmt: skip
    host.run(
        "KSampler", model=host.recipe, latent_image=EMPTY, seed=5, steps=1, cfg=3.0, sampler_name="euler",
        scheduler="normal", denoise=0.5, positive=applied[0], negative=applied[1],
    )  # fmt: skip
    assert hints and set(hints) == {((1, 3, 16, 16), 0.5)}


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
