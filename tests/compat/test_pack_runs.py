"""Runs in the field's form: `comfy.samplers`, `comfy.sample` and objects on wires give what our own nodes give."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from nodes.compat.convert import inward, outward
from nodes.diffusion.values import Latent
from tests.compat.tiny_models import EMPTY, NEAR, PROMPTS, Host

SHARES = {"denoise": 0.5}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("runs"))
    with made.running():
        yield made


@pytest.fixture(scope="module")
def conds() -> dict[str, Any]:
    return {side: outward(each) for side, each in PROMPTS.items()}


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, atol=NEAR, rtol=NEAR)


def module(name: str) -> Any:
    return importlib.import_module(name)


def noise(host: Host) -> torch.Tensor:
    return module("comfy.sample").prepare_noise(EMPTY.samples, 5)


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m_sde", "euler_ancestral_cfg_pp", "ddim", "uni_pc"])
def test_a_run_by_names_is_ksampler(host: Host, conds: dict[str, Any], name: str):
    steps: list[Any] = []
    made = module("comfy.sample").sample(
        host.patcher(), noise(host), 3, 3.0, name, "normal", conds["positive"], conds["negative"], EMPTY.samples,
        denoise=0.5, seed=5, callback=lambda *told: steps.append((told[0], told[3])),
    )  # fmt: skip
    assert near(made, host.sampled(host.recipe, sampler_name=name, steps=3))
    assert steps == [(0, 3), (1, 3), (2, 3)]


def test_a_run_with_a_mask_is_ksampler_s(host: Host, conds: dict[str, Any]):
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., :32] = 1.0
    latents = torch.ones(1, 4, 8, 8)
    made = module("comfy.sample").sample(
        host.patcher(), noise(host), 2, 3.0, "euler", "normal", conds["positive"], conds["negative"], latents,
        denoise=0.5, seed=5, noise_mask=mask,
    )  # fmt: skip
    assert near(made, host.sampled(host.recipe, Latent(latents, noise_mask=mask)))


def test_a_part_of_a_run_is_that_of_the_advanced_node(host: Host, conds: dict[str, Any]):
    run = module("comfy.samplers").KSampler(host.patcher(), 4, torch.device("cpu"), "euler", "karras", 1.0)
    zeros = torch.zeros(1, 4, 8, 8)
    latents = torch.full((1, 4, 8, 8), 0.3)
    made = run.sample(
        zeros,
        conds["positive"],
        conds["negative"],
        3.0,
        latents,
        start_step=2,
        last_step=3,
        force_full_denoise=True,
    )
    ours = host.run(
        "KSamplerAdvanced", model=host.recipe, add_noise="disable", noise_seed=0, steps=4, cfg=3.0,
        sampler_name="euler", scheduler="karras", latent_image=Latent(latents), start_at_step=2, end_at_step=3,
        return_with_leftover_noise="disable", **PROMPTS,
    ).samples  # fmt: skip
    assert near(made, ours)
    assert run.sample(zeros, [], [], 3.0, latents, start_step=9) is latents
    none = module("comfy.samplers").KSampler(host.patcher(), 4, torch.device("cpu"), "?", "?", 0.0)
    assert len(none.sigmas) == 0 and (none.sampler, none.scheduler) == ("euler", "simple")


def test_a_guider_s_run_asks_the_class_that_a_pack_derived(host: Host, conds: dict[str, Any]):
    samplers = module("comfy.samplers")

    class Mine(samplers.CFGGuider):
        def predict_noise(self, x: Any, timestep: Any, model_options: Any = None, seed: Any = None) -> Any:
            assert model_options["transformer_options"]["sample_sigmas"] is sigmas
            batch = samplers.calc_cond_batch(
                self.inner_model,
                [self.conds["positive"], self.conds["negative"], None],
                x,
                timestep,
                model_options,
            )
            assert not batch[2].any()
            return samplers.cfg_function(
                self.inner_model, batch[0], batch[1], self.cfg, x, timestep, model_options
            )

    guider = Mine(host.patcher())
    guider.set_conds(conds["positive"], conds["negative"])
    guider.set_cfg(3.0)
    run = samplers.KSampler(guider.model_patcher, 2, torch.device("cpu"), "euler", "normal", 0.5)
    sigmas = run.sigmas
    made = guider.sample(noise(host), EMPTY.samples, samplers.sampler_object("euler"), sigmas, seed=5)
    assert near(made, host.sampled(host.recipe)) and not hasattr(guider, "conds")
    assert guider.sample(noise(host), EMPTY.samples, None, torch.tensor([])) is EMPTY.samples
    wired = host.run(
        "SamplerCustomAdvanced", noise=host.run("RandomNoise", noise_seed=5), guider=inward(guider, "GUIDER"),
        sampler=host.run("KSamplerSelect", sampler_name="euler"), sigmas=sigmas, latent_image=EMPTY,
    )  # fmt: skip
    assert near(wired[0].samples, made)


def test_a_sampler_and_noise_of_a_pack_work_in_our_nodes(host: Host):
    samplers = module("comfy.samplers")
    to_d = module("comfy.k_diffusion.sampling").to_d

    def euler(
        model: Any, x: Any, sigmas: Any, extra_args: Any = None, callback: Any = None, disable: Any = None
    ) -> Any:
        for i in range(len(sigmas) - 1):
            denoised = model(x, sigmas[i] * x.new_ones([len(x)]), **extra_args)
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": denoised})
            x = x + to_d(x, sigmas[i].reshape(1), denoised) * (sigmas[i + 1] - sigmas[i])
        return x

    class Noise:
        seed = 5

        def generate_noise(self, latent: Any) -> Any:
            return module("comfy.sample").prepare_noise(latent["samples"], self.seed)

    sigmas = host.run("BasicScheduler", model=host.recipe, scheduler="normal", steps=2, denoise=0.5)
    guider = host.run("CFGGuider", model=host.recipe, cfg=3.0, **PROMPTS)
    made = host.run(
        "SamplerCustomAdvanced", noise=inward(Noise(), "NOISE"), guider=guider,
        sampler=inward(samplers.KSAMPLER(euler), "SAMPLER"), sigmas=sigmas, latent_image=EMPTY,
    )  # fmt: skip
    assert near(made[0].samples, host.sampled(host.recipe))
    assert host.ctx.steps[-1] == (2, 2)


def test_our_samplers_guiders_and_noise_work_in_packs(host: Host):
    sigmas = host.run("BasicScheduler", model=host.recipe, scheduler="normal", steps=2, denoise=0.5)
    sampler = outward(host.run("SamplerEulerAncestral", eta=0.5, s_noise=1.0))
    seeded = outward(host.run("RandomNoise", noise_seed=5))
    latent = {"samples": EMPTY.samples}
    perp = host.run(
        "PerpNegGuider",
        model=host.recipe,
        cfg=3.0,
        neg_scale=1.0,
        empty_conditioning=PROMPTS["negative"],
        **PROMPTS,
    )
    for recipe in (host.run("CFGGuider", model=host.recipe, cfg=3.0, **PROMPTS), perp):
        guider = outward(recipe)
        made = guider.sample(
            seeded.generate_noise(latent), latent["samples"], sampler, sigmas, seed=seeded.seed
        )
        ours = host.run(
            "SamplerCustomAdvanced", noise=host.run("RandomNoise", noise_seed=5), guider=recipe,
            sampler=inward(sampler, "SAMPLER"), sigmas=sigmas, latent_image=EMPTY,
        )  # fmt: skip
        assert near(made, ours[0].samples)
        assert inward(guider, "GUIDER") is recipe


def test_wrappers_around_runs_are_heard_in_our_nodes_in_the_field_s_order(host: Host):
    kinds, called = (
        module("comfy.patcher_extension").WrappersMP,
        module("comfy.patcher_extension").CallbacksMP,
    )
    heard: list[Any] = []

    def wrap(kind: Any) -> Any:
        def wrapper(executor: Any, *args: Any, **more: Any) -> Any:
            heard.append(kind.value)
            return executor(*args, **more)

        return wrapper

    model = host.patcher()
    for kind in kinds:
        model.add_wrapper_with_key(kind, "test", wrap(kind))
    model.add_callback(called.ON_PRE_RUN, lambda patcher: heard.append("pre run"))
    model.add_callback(called.ON_CLEANUP, lambda patcher: heard.append("cleanup"))
    made = host.sampled(model, steps=1)
    assert near(made, host.sampled(host.recipe, steps=1))
    assert heard == [
        "outer_sample", "prepare_sampling", "pre run", "sampler_sample", "predict_noise", "calc_cond_batch",
        "apply_model", "diffusion_model", "cleanup",
    ]  # fmt: skip


def test_a_mask_function_says_what_is_free(host: Host):
    latent = Latent(torch.ones(1, 4, 8, 8), noise_mask=torch.full((1, 1, 64, 64), 0.5))
    model = host.patcher()
    model.set_model_denoise_mask_function(lambda sigma, mask, extra_options: torch.ones_like(mask))
    assert near(host.sampled(model, latent), host.sampled(host.recipe, Latent(latent.samples)))


def test_a_lora_from_memory_is_the_one_from_its_file(host: Host):
    name = next(k for k in host.patcher().model_state_dict() if k.endswith("attn1.to_q.weight"))
    weight = host.patcher().model_state_dict()[name]
    called = "lora_unet_" + name.removeprefix("diffusion_model.").removesuffix(".weight").replace(".", "_")
    chance = torch.Generator().manual_seed(1)
    up, down = (
        torch.randn(len(weight), 2, generator=chance),
        torch.randn(2, weight.shape[1], generator=chance),
    )
    lora = {
        f"{called}.lora_up.weight": up,
        f"{called}.lora_down.weight": down,
        f"{called}.alpha": torch.tensor(2.0),
    }
    changed, none = module("comfy.sd").load_lora_for_models(host.patcher(), None, lora, 0.7, 1.0)
    assert none is None
    wanted = weight + 0.7 * (up @ down)
    assert torch.allclose(changed.model_state_dict()[name], wanted, atol=1e-5)
    assert torch.equal(host.patcher().model_state_dict()[name], weight)  # the original is back
    by_hand = host.patcher()
    loading = module("comfy.lora")
    patches = loading.load_lora(lora, loading.model_lora_keys_unet(by_hand.model, {}))
    assert by_hand.add_patches(patches, 0.7) == [name]
    assert torch.allclose(by_hand.model_state_dict()[name], wanted, atol=1e-5)
    made = loading.calculate_weight(by_hand.patches[name], weight, name)
    assert torch.allclose(made, wanted, atol=1e-5)
    assert near(host.sampled(by_hand), host.sampled(changed))


def test_models_are_merged_by_their_weights(host: Host):
    one, two = host.patcher(), host.patcher()
    name = next(k for k in one.model_state_dict() if k.endswith("attn1.to_k.weight"))
    weight = one.model_state_dict()[name].clone()
    assert two.add_patches({name: ("diff", (torch.ones_like(weight),)), "unknown.weight": (weight,)}) == [
        name
    ]
    theirs = two.get_key_patches("diffusion_model.")
    assert one.add_patches({name: theirs[name]}, 0.25, 0.75) == [name]
    assert torch.allclose(one.model_state_dict()[name], weight + 0.25, atol=1e-5)


def test_parts_of_a_weight_are_changed_each_by_its_own_function(host: Host):
    whole, parts = host.patcher(), host.patcher()
    name = next(k for k in whole.model_state_dict() if k.endswith("attn1.to_k.weight"))
    weight = whole.model_state_dict()[name].clone()
    rows, columns = (size // 2 for size in weight.shape)
    chance = torch.Generator().manual_seed(2)
    top = torch.randn(rows, weight.shape[1], generator=chance)
    left = torch.randn(len(weight), columns, generator=chance)
    above, beside = (name, (0, 0, rows)), (name, (1, columns, columns), torch.neg)
    assert parts.add_patches({above: ("diff", (top,))}, 0.5, 0.75) == [above]
    assert parts.add_patches({beside: ("diff", (left,))}, 0.1) == [beside]
    wanted = weight.clone()
    wanted[:rows] = 0.75 * wanted[:rows] + 0.5 * top
    wanted[:, columns : 2 * columns] -= 0.1 * left
    assert torch.allclose(parts.model_state_dict()[name], wanted, atol=1e-5)
    asked = parts.calculate_weight(parts.patches[name], weight.clone(), name)
    assert torch.allclose(asked, wanted, atol=1e-5)
    whole.add_patches({name: ("set", (wanted,))})
    assert near(host.sampled(parts), host.sampled(whole))
    assert torch.equal(host.patcher().model_state_dict()[name], weight)  # the original is back


def test_a_part_may_be_set_or_take_a_lora_and_two_parts_are_put_on_together(host: Host):
    model = host.patcher()
    name = next(k for k in model.model_state_dict() if k.endswith("attn1.to_q.weight"))
    weight = model.model_state_dict()[name].clone()
    rows = len(weight) // 2
    chance = torch.Generator().manual_seed(3)
    up, down = (
        torch.randn(rows, 2, generator=chance),
        torch.randn(2, weight.shape[1], generator=chance),
    )
    loading = module("comfy.lora")
    lora = {"x.lora_up.weight": up, "x.lora_down.weight": down, "x.alpha": torch.tensor(2.0)}
    (adapter,) = loading.load_lora(lora, {"x": name}).values()
    first, second = (name, (0, 0, rows)), (name, (0, rows, rows))
    zeros = torch.zeros(rows, weight.shape[1])
    assert model.add_patches({first: adapter, second: ("set", (zeros,))}, 0.5) == [first, second]
    made = model.model_state_dict()[name]
    assert torch.allclose(made[:rows], weight[:rows] + 0.5 * (up @ down), atol=1e-5)
    assert torch.allclose(made[rows : 2 * rows], zeros, atol=1e-6)
