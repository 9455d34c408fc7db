"""Sampling nodes with the starter model: one node, or many that do the same; seeds, masks, parts of a run."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nodes.builtin import all_nodes
from nodes.builtin.previews import Previews
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Cond, Latent, Model
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

NODES = {entry.spec.id: entry for entry in all_nodes()}
STARTER = Path(__file__).parents[2] / "nodes" / "starter" / "weft-starter-v0"
CPU = torch.device("cpu")
EMPTY = Latent(torch.zeros(2, 4, 8, 8))
PROMPTS = {
    side: (Cond(torch.linspace(-1, end, 77 * 192).reshape(1, 77, 192)),)
    for side, end in (("positive", 2.0), ("negative", 1.0))
}


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    placement = Placement(CPU, torch.float32, torch.float32)
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    resources = {Pool: Pool(placement, 10**9), Previews: Previews(workspace, CPU)}
    return Surroundings(workspace, resources, previews=False)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ContentHashes().reference(STARTER))


def run(ctx: Surroundings, name: str, **inputs: object) -> Any:
    return NODES[name].run(ctx, **inputs)


def whole(ctx: Surroundings, model: Model, latent: Latent = EMPTY, **more: Any) -> Latent:
    given = {"seed": 5, "steps": 4, "cfg": 3.0, "sampler_name": "dpmpp_2m", "scheduler": "karras"} | more
    return run(ctx, "KSampler", model=model, latent_image=latent, **given, **PROMPTS)


def custom(
    ctx: Surroundings, model: Model, sampler: Any, sigmas: Any, latent: Latent = EMPTY, **more: Any
) -> Any:
    given = {"add_noise": True, "noise_seed": 5, "cfg": 3.0} | more
    return run(
        ctx,
        "SamplerCustom",
        model=model,
        sampler=sampler,
        sigmas=sigmas,
        latent_image=latent,
        **given,
        **PROMPTS,
    )


def test_sampling_from_parts_is_what_one_node_does(ctx: Surroundings, model: Model):
    sampler = run(ctx, "KSamplerSelect", sampler_name="dpmpp_2m")
    sigmas = run(ctx, "BasicScheduler", model=model, scheduler="karras", steps=4, denoise=1.0)
    output, denoised = custom(ctx, model, sampler, sigmas)
    assert torch.equal(output.samples, whole(ctx, model).samples)
    assert torch.allclose(denoised.samples, output.samples, atol=1e-5)  # the last step goes to its guess
    assert ctx.steps[-1] == (4, 4)


def test_a_guider_and_noise_of_their_own_do_the_same(ctx: Surroundings, model: Model):
    parts = {
        "noise": run(ctx, "RandomNoise", noise_seed=5),
        "guider": run(ctx, "CFGGuider", model=model, cfg=3.0, **PROMPTS),
        "sampler": run(ctx, "KSamplerSelect", sampler_name="dpmpp_2m"),
        "sigmas": run(ctx, "BasicScheduler", model=model, scheduler="karras", steps=4, denoise=1.0),
    }
    output, _ = run(ctx, "SamplerCustomAdvanced", latent_image=EMPTY, **parts)
    assert torch.equal(output.samples, whole(ctx, model).samples)
    quiet = parts | {"noise": run(ctx, "DisableNoise")}
    still, _ = run(ctx, "SamplerCustomAdvanced", latent_image=EMPTY, **quiet)
    assert not torch.allclose(still.samples, output.samples, atol=0.1)


def test_two_halves_of_a_schedule_are_the_whole(ctx: Surroundings, model: Model):
    sampler = run(ctx, "KSamplerSelect", sampler_name="euler")
    sigmas = run(ctx, "BasicScheduler", model=model, scheduler="normal", steps=4, denoise=1.0)
    high, low = run(ctx, "SplitSigmas", sigmas=sigmas, step=2)
    first, guess = custom(ctx, model, sampler, high)
    second, _ = custom(ctx, model, sampler, low, first, add_noise=False)
    assert torch.allclose(second.samples, custom(ctx, model, sampler, sigmas)[0].samples, atol=1e-4)
    assert not torch.allclose(guess.samples, first.samples, atol=0.1)


def test_without_steps_both_results_are_the_latents_that_came_in(ctx: Surroundings, model: Model):
    sampler = run(ctx, "KSamplerSelect", sampler_name="euler")
    output, denoised = custom(ctx, model, sampler, torch.zeros(0))
    assert output is denoised is EMPTY
    assert whole(ctx, model, denoise=0.0) is EMPTY


def test_noise_can_be_put_in_before_sampling(ctx: Surroundings, model: Model):
    sampler = run(ctx, "KSamplerSelect", sampler_name="euler")
    sigmas = run(ctx, "BasicScheduler", model=model, scheduler="normal", steps=4, denoise=0.5)
    picture = Latent(torch.linspace(-3, 3, 256).reshape(1, 4, 8, 8))
    noise = run(ctx, "RandomNoise", noise_seed=5)
    noisy = run(ctx, "AddNoise", model=model, noise=noise, sigmas=sigmas, latent_image=picture)
    later, _ = custom(ctx, model, sampler, sigmas, noisy, add_noise=False)
    assert torch.allclose(later.samples, custom(ctx, model, sampler, sigmas, picture)[0].samples, atol=1e-4)


@pytest.mark.parametrize(
    ("node", "inputs", "name"),
    [
        ("SamplerEulerAncestral", {"eta": 1.0, "s_noise": 1.0}, "euler_ancestral"),
        ("SamplerLMS", {"order": 4}, "lms"),
        ("SamplerDPMPP_2S_Ancestral", {"eta": 1.0, "s_noise": 1.0}, "dpmpp_2s_ancestral"),
        (
            "SamplerDPMPP_2M_SDE",
            {"solver_type": "heun", "eta": 1.0, "s_noise": 1.0, "noise_device": "cpu"},
            "dpmpp_2m_sde_heun",
        ),
        ("SamplerDPMPP_3M_SDE", {"eta": 1.0, "s_noise": 1.0, "noise_device": "gpu"}, "dpmpp_3m_sde_gpu"),
        ("SamplerDPMPP_SDE", {"eta": 1.0, "s_noise": 1.0, "r": 0.5, "noise_device": "cpu"}, "dpmpp_sde"),
        ("SamplerER_SDE", {"solver_type": "ER-SDE", "max_stage": 3, "eta": 1.0, "s_noise": 1.0}, "er_sde"),
        ("SamplerSEEDS2", {"solver_type": "phi_1", "eta": 1.0, "s_noise": 1.0, "r": 0.5}, "seeds_2"),
        ("SamplerEulerCFGpp", {"version": "regular"}, "euler_cfg_pp"),
        ("SamplerEulerAncestralCFGPP", {"eta": 1.0, "s_noise": 1.0}, "euler_ancestral_cfg_pp"),
    ],
)
def test_a_samplers_own_node_at_its_defaults_is_the_sampler_of_that_name(
    ctx: Surroundings, model: Model, node: str, inputs: dict[str, Any], name: str
):
    sigmas = run(ctx, "BasicScheduler", model=model, scheduler="normal", steps=3, denoise=1.0)
    own, _ = custom(ctx, model, run(ctx, node, **inputs), sigmas)
    named, _ = custom(ctx, model, run(ctx, "KSamplerSelect", sampler_name=name), sigmas)
    assert torch.equal(own.samples, named.samples)


def test_the_solver_of_adams_with_its_nodes_defaults_is_the_named_one(ctx: Surroundings, model: Model):
    sigmas = run(ctx, "BasicScheduler", model=model, scheduler="normal", steps=4, denoise=1.0)
    own = run(ctx, "SamplerSASolver", model=model, use_pece=False, simple_order_2=False)
    named = run(ctx, "KSamplerSelect", sampler_name="sa_solver")
    one, other = custom(ctx, model, own, sigmas)[0], custom(ctx, model, named, sigmas)[0]
    assert torch.equal(one.samples, other.samples)


def test_how_a_model_is_sampled_goes_with_it(ctx: Surroundings, model: Model):
    flow = run(ctx, "ModelSamplingSD3", model=model, shift=3.0)
    sigmas = run(ctx, "BasicScheduler", model=flow, scheduler="simple", steps=4, denoise=1.0)
    assert float(sigmas[0]) == 1.0
    velocity = run(ctx, "ModelSamplingDiscrete", model=model, sampling="v_prediction", zsnr=True)
    highest = {"sampling_percent": 0.0, "return_actual_sigma": True}
    assert run(ctx, "SamplingPercentToSigma", model=velocity, **highest) > 4000
    assert torch.equal(whole(ctx, velocity).samples, whole(ctx, model).samples)  # as the starter was trained
    noise = run(ctx, "ModelSamplingDiscrete", model=model, sampling="eps", zsnr=False)
    assert not torch.allclose(whole(ctx, noise).samples, whole(ctx, model).samples, atol=0.1)


def test_a_soft_mask_opens_over_the_run_only_if_it_is_asked_to(ctx: Surroundings, model: Model):
    mask = torch.linspace(0, 1, 8).expand(1, 8, 8)
    masked = Latent(torch.ones(1, 4, 8, 8), noise_mask=mask)
    opening = run(ctx, "DifferentialDiffusion", model=model, strength=1.0)
    plain, opened = whole(ctx, model, masked, steps=6).samples, whole(ctx, opening, masked, steps=6).samples
    assert torch.allclose(opened[..., 0], torch.ones(()), atol=0.3)  # black opens in the last step alone
    assert not torch.allclose(plain, opened, atol=0.05)


def test_a_seed_for_each_image_makes_each_one_again_alone(ctx: Surroundings, model: Model):
    parts = {
        "guider": run(ctx, "BasicGuider", model=model, conditioning=PROMPTS["positive"]),
        "sampler": run(ctx, "KSamplerSelect", sampler_name="euler_ancestral"),
        "sigmas": run(ctx, "BasicScheduler", model=model, scheduler="normal", steps=3, denoise=1.0),
    }
    varied = {"variation_seed": 0, "variation_strength": 0.0, "noise_device": "gpu"}  # here the same
    noise = run(ctx, "WeftSeededNoise", noise_seed=5, seed_per_image=True, **varied)
    together, _ = run(ctx, "SamplerCustomAdvanced", noise=noise, latent_image=EMPTY, **parts)
    for place in range(2):
        own = run(ctx, "RandomNoise", noise_seed=5 + place)
        alone, _ = run(
            ctx, "SamplerCustomAdvanced", noise=own, latent_image=Latent(EMPTY.samples[:1]), **parts
        )
        assert torch.allclose(together.samples[place], alone.samples[0], atol=1e-4)


@pytest.mark.parametrize(
    ("node", "inputs", "wrong"),
    [
        ("KarrasScheduler", {"rho": 0.0}, "0th root"),
        ("ExponentialScheduler", {"sigma_min": 0.0}, "no logarithm"),
        ("GITSScheduler", {"coeff": 0.83}, "no GITS table"),
        ("SetFirstSigma", {"sigmas": torch.zeros(0), "sigma": 1.0}, "no sigmas"),
    ],
)
def test_schedules_that_do_not_exist_are_told(
    ctx: Surroundings, node: str, inputs: dict[str, Any], wrong: str
):
    with pytest.raises(NodeError, match=wrong):
        run(ctx, node, **inputs)


def test_ranges_of_levels_that_do_not_exist_are_told(ctx: Surroundings, model: Model):
    for node, sampling in (
        ("ModelSamplingContinuousEDM", "edm"),
        ("ModelSamplingContinuousV", "v_prediction"),
    ):
        with pytest.raises(NodeError, match="no noise levels from 2"):
            run(ctx, node, model=model, sampling=sampling, sigma_min=2.0, sigma_max=1.0)


def test_latents_of_another_family_are_told_on_the_node(ctx: Surroundings, model: Model):
    with pytest.raises(NodeError, match="16 channels"):
        whole(ctx, model, Latent(torch.ones(1, 16, 8, 8)))
