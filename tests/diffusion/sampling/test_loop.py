"""The door to sampling: what goes in, what comes out, what a mask keeps."""

from dataclasses import replace

import pytest
import torch

from nodes.diffusion.denoiser import LatentFormat
from nodes.diffusion.guidance import Guided
from nodes.diffusion.noise import NoNoise, SeededNoise, start_noise
from nodes.diffusion.resize import mask_for
from nodes.diffusion.sampling import SAMPLERS, Run, Step, chosen, sample
from nodes.diffusion.sampling.loop import window
from nodes.diffusion.sampling.sampler import Noise
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import Latent
from tests.diffusion.sampling.test_bad_input import Halving
from tests.diffusion.sampling.test_guidance import Echo, cond

EMPTY = Latent(torch.zeros(2, 4, 8, 8))


def guided(scale: float = 1.0) -> Guided:
    return Guided(Echo(latent_format=LatentFormat(scale=scale)), (cond(0.5),), (cond(-0.25),), 2.0)


def schedule(sampler: str = "euler", steps: int = 6, denoise: float = 1.0) -> torch.Tensor:
    return for_sampler("normal", sampler, guided().network.levels, steps, denoise)


def last(latent: Latent, run: Run, scale: float = 1.0) -> torch.Tensor:
    *_, step = sample(guided(scale), latent, run)
    return step.latents


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_the_same_run_is_the_same_to_the_bit_and_another_seed_is_not(sampler: str):
    masked = Latent(
        torch.ones(2, 4, 8, 8), noise_mask=torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1))
    )
    sigmas = schedule(sampler, denoise=0.7)
    first = [step.denoised for step in sample(guided(), masked, Run(sampler, sigmas, 4))]
    again = [step.denoised for step in sample(guided(), masked, Run(sampler, sigmas, 4))]
    other = [step.denoised for step in sample(guided(), masked, Run(sampler, sigmas, 5))]
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert torch.isfinite(torch.stack(first)).all()
    assert not torch.equal(torch.stack(first), torch.stack(other))


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_steps_count_up_and_hold_the_batch(sampler: str):
    sigmas = schedule(sampler)
    steps: list[Step] = list(sample(guided(), EMPTY, Run(sampler, sigmas, 4)))
    indices = [step.index for step in steps]
    assert indices == sorted(indices)
    assert indices[-1] == len(sigmas) - 2
    assert all(step.latents.shape == step.denoised.shape == (2, 4, 8, 8) for step in steps)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_short_runs_and_runs_with_leftover_noise_come_out_finite(sampler: str, steps: int):
    sigmas = schedule(sampler, steps)
    assert torch.isfinite(last(EMPTY, Run(sampler, sigmas, 4))).all()
    if steps > 1:
        part = window(sigmas, 0, steps - 1, leftover_noise=True)
        assert torch.isfinite(last(EMPTY, Run(sampler, part, 4))).all()


def test_a_run_cut_in_two_ends_where_the_whole_one_does():
    sigmas = schedule(steps=8)
    whole = last(EMPTY, Run("euler", sigmas, 4), scale=0.18)
    half = last(EMPTY, Run("euler", window(sigmas, 0, 3, leftover_noise=True), 4), scale=0.18)
    rest = Run("euler", window(sigmas, 3, 10000, leftover_noise=True), 4, noise=NoNoise(4))
    assert torch.allclose(last(Latent(half), rest, scale=0.18), whole, atol=1e-4)


def test_what_a_mask_keeps_comes_back_as_it_was():
    samples = start_noise((2, 4, 8, 8), 7)
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:6, 2:6] = 1.0
    made = last(Latent(samples, noise_mask=mask), Run("dpmpp_2m", schedule("dpmpp_2m"), 4), scale=0.18)
    kept = mask_for(mask, samples.shape) == 0
    assert torch.allclose(made[kept], samples[kept], atol=1e-5)
    assert not torch.allclose(made[~kept], samples[~kept], atol=0.1)


@pytest.mark.parametrize(("space", "mask"), [((3, 4, 4), (1, 1, 3, 1, 1)), ((6,), (1, 1, 6))])
def test_what_a_mask_keeps_of_frames_or_times_comes_back(space: tuple[int, ...], mask: tuple[int, ...]):
    free = torch.zeros(mask)
    free[:, :, 1] = 1.0 if len(space) == 3 else 0.0
    free[..., -1] += float(len(space) == 1)
    samples = start_noise((2, 4, *space), 7)
    form = LatentFormat(scale=0.5, axes=len(space))
    guider = replace(Halving(), network=Echo(latent_format=form))
    *_, step = sample(guider, Latent(samples, free), Run("dpmpp_2m", schedule(), 4))
    kept = mask_for(free, samples.shape) == 0
    assert torch.allclose(step.latents[kept], samples[kept], atol=1e-5)
    assert not torch.allclose(step.latents[~kept], samples[~kept], atol=0.1)


def test_what_a_mask_keeps_is_scaled_up_with_the_rest():
    mask = torch.zeros(1, 8, 8)
    mask[:, :, 4:] = 1.0
    run = Run(chosen("lcm_upscale", {"ratio": 2.0, "steps": 2, "method": "bilinear"}), schedule(), 4)
    made = last(Latent(torch.full((2, 4, 8, 8), 3.0), noise_mask=mask), run)
    assert made.shape == (2, 4, 16, 16)
    assert torch.allclose(made[..., :6], torch.tensor(3.0), atol=1e-4)
    assert not torch.allclose(made[..., 10:], torch.tensor(3.0), atol=0.1)


def test_a_schedule_without_steps_yields_nothing():
    assert list(sample(guided(), EMPTY, Run("euler", torch.zeros(0), 4))) == []


def test_one_sigma_alone_gives_its_noise():
    (step,) = sample(guided(), EMPTY, Run("euler", torch.full((1,), 2.0), 4))
    assert torch.equal(step.latents, start_noise((2, 4, 8, 8), 4) * 2.0)


def test_an_item_of_a_batch_can_be_made_again_alone():
    run = Run("euler", schedule(), 4)
    alone = Latent(EMPTY.samples[:1], batch_index=(1,))
    assert torch.allclose(last(alone, run)[0], last(EMPTY, run)[1], atol=1e-5)


def test_the_scale_between_model_and_vae_is_the_callers():
    run = Run("euler", schedule(), 4)
    assert torch.allclose(last(EMPTY, run, scale=0.5) * 0.5, last(EMPTY, run), atol=1e-5)


def test_empty_latents_get_the_channels_that_the_family_needs():
    assert last(Latent(torch.zeros(1, 16, 8, 8)), Run("euler", schedule(), 4)).shape == (1, 4, 8, 8)


def test_the_given_latents_are_left_alone():
    samples = start_noise((1, 4, 8, 8), 7)
    before = samples.clone()
    last(Latent(samples), Run("euler", schedule(), 4))
    assert torch.equal(samples, before)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_with_a_seed_for_each_image_an_image_of_a_batch_is_what_its_seed_gives_alone(sampler: str):
    mask = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(1))
    sigmas = schedule(sampler, steps=5)[:-1]  # the last level would leave nothing of the noise
    together = Run(sampler, sigmas, 4, SeededNoise(4, per_image=True))
    made = last(Latent(torch.ones(3, 4, 8, 8), noise_mask=mask), together)
    for place in range(3):
        alone = last(Latent(torch.ones(1, 4, 8, 8), noise_mask=mask), Run(sampler, sigmas, 4 + place))
        if sampler != "dpm_adaptive":  # whose steps follow from the whole batch
            assert torch.allclose(made[place], alone[0], atol=2e-5)
    picked = Latent(torch.ones(1, 4, 8, 8), noise_mask=mask, batch_index=(2,))
    if sampler != "dpm_adaptive":
        assert torch.allclose(last(picked, together)[0], made[2], atol=2e-5)


DRAWING = sorted(name for name, row in SAMPLERS.items() if row.noise is not Noise.NONE)


@pytest.mark.parametrize("sampler", DRAWING)
def test_a_varied_image_of_a_batch_is_what_both_its_seeds_give_alone(sampler: str):
    let_draw = {name: 1.0 for name in (SAMPLERS[sampler].noisy_if,) if name}
    choice, sigmas, last_seed = chosen(sampler, let_draw), schedule(sampler, steps=5)[:-1], 2**64 - 1
    made = last(EMPTY, Run(choice, sigmas, last_seed, SeededNoise(last_seed, True, 9, 0.3)))
    assert not torch.allclose(made[0], made[1], atol=1e-3)
    for place, seed in enumerate((last_seed, 0)):
        for per_image in (True, False):
            noise = SeededNoise(seed, per_image, 9 + place, 0.3)
            alone = last(Latent(EMPTY.samples[:1]), Run(choice, sigmas, seed, noise))[0]
            if sampler != "dpm_adaptive":  # whose steps follow from the whole batch
                assert torch.allclose(made[place], alone, atol=2e-5)
        unvaried = last(Latent(EMPTY.samples[:1]), Run(choice, sigmas, seed))[0]
        assert not torch.equal(made[place], unvaried)  # most noise that is added later hides the start's


def test_sampling_can_vary_a_seed_a_little():
    def made(strength: float) -> torch.Tensor:
        noise = SeededNoise(4, variation_seed=9, variation_strength=strength)
        return last(EMPTY, Run("euler", sigmas, 4, noise))

    sigmas = schedule()[:-1]
    assert torch.equal(made(0.0), last(EMPTY, Run("euler", sigmas, 4)))
    assert torch.allclose(made(1.0), last(EMPTY, Run("euler", sigmas, 9)), atol=1e-5)
    near, far = (float((made(strength) - made(0.0)).norm()) for strength in (0.1, 0.5))
    assert 0 < near < far
