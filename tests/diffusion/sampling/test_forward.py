"""The forward process: closed forms against each other, against a run of a thousand steps, and against denoisers."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nodes.diffusion.denoiser import Parametrisation, denoised_from, network_input
from nodes.diffusion.forward import (
    Gaussian,
    Level,
    Predicted,
    clean_from,
    converted,
    exploding,
    marginal,
    posterior,
    predicted_from,
    preserving,
    rectified,
    speed,
    transition,
)
from nodes.diffusion.noise_levels import scaled_linear_betas

LAW = settings(max_examples=40, deadline=None)
PROCESSES = {
    "preserving": lambda share: preserving(torch.tensor(share, dtype=torch.float64)),
    "exploding": lambda share: exploding(torch.tensor(share * 10, dtype=torch.float64)),
    "rectified": lambda share: rectified(torch.tensor(share, dtype=torch.float64)),
}
inner = st.floats(0.05, 0.95)
processes = st.sampled_from(sorted(PROCESSES))
MANY = 40_000
FAR = 4.5  # deviations of an estimate that chance does not explain: once in 150,000 tests


def randn(seed: int, count: int = 16) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, 1, count, dtype=torch.float64, generator=generator)


def ordered(process: str, shares: tuple[float, ...]) -> list[Level]:
    """Levels from the least noisy to the noisiest."""
    return sorted((PROCESSES[process](share) for share in shares), key=lambda level: -float(level.clock))


def alike(estimate: float, wanted: float, deviation: float) -> bool:
    return abs(estimate - wanted) < FAR * deviation


@LAW
@given(process=processes, share=inner)
def test_any_prediction_gives_all_others(process: str, share: float):
    level, clean, noise = PROCESSES[process](share), randn(1), randn(2)
    noisy = level.noised(clean, noise)
    for one, other in itertools.product(Predicted, Predicted):
        said = predicted_from(one, clean, noisy, level)
        assert torch.allclose(
            converted(said, one, other, noisy, level), predicted_from(other, clean, noisy, level)
        )
    assert torch.allclose(predicted_from(Predicted.NOISE, clean, noisy, level), noise)


@LAW
@given(process=processes, share=inner)
def test_the_score_is_the_gradient_of_the_marginals_logarithm(process: str, share: float):
    level, clean = PROCESSES[process](share), randn(1)
    noisy = level.noised(clean, randn(2)).requires_grad_()
    given_clean = marginal(clean, level)
    density = torch.distributions.Normal(given_clean.mean, given_clean.deviation).log_prob(noisy).sum()
    (gradient,) = torch.autograd.grad(density, noisy)
    assert torch.allclose(gradient, predicted_from(Predicted.SCORE, clean, noisy.detach(), level))


@LAW
@given(process=processes, shares=st.tuples(inner, inner).filter(lambda pair: abs(pair[0] - pair[1]) > 0.01))
def test_the_posterior_is_bayes_rule(process: str, shares: tuple[float, float]):
    earlier, later = ordered(process, shares)
    clean, before, noisy = randn(1), randn(2), randn(3)
    normal = torch.distributions.Normal

    def log_density(points: Tensor, known: Gaussian) -> Tensor:
        return normal(known.mean, known.deviation).log_prob(points)

    joint = log_density(before, marginal(clean, earlier)) + log_density(
        noisy, transition(before, earlier, later)
    )
    bayes = joint - log_density(noisy, marginal(clean, later))
    assert torch.allclose(log_density(before, posterior(noisy, clean, earlier, later)), bayes, rtol=1e-6)


@LAW
@given(process=processes, shares=st.tuples(inner, inner, inner).filter(lambda some: len(set(some)) == 3))
def test_two_transitions_are_one(process: str, shares: tuple[float, float, float]):
    first, second, third = ordered(process, shares)
    start = randn(1)
    through = transition(transition(start, first, second).mean, second, third)
    direct = transition(start, first, third)
    assert torch.allclose(through.mean, direct.mean)
    share = third.alpha / second.alpha
    between = transition(start, first, second).deviation
    assert torch.allclose(through.deviation**2 + (share * between) ** 2, direct.deviation**2)


@LAW
@given(process=processes, share=inner)
def test_the_clock_is_half_the_logarithm_of_the_ratio(process: str, share: float):
    level = PROCESSES[process](share)
    assert float(level.clock) == pytest.approx(0.5 * math.log(float(level.snr)))


def test_a_thousand_steps_of_noise_end_where_the_closed_form_says():
    betas = scaled_linear_betas()
    abar = torch.cumprod(1 - betas, 0)
    generator = torch.Generator().manual_seed(8)
    clean = torch.full((1, 1, MANY), 1.7, dtype=torch.float64)
    noisy = clean.clone()
    for number, beta in enumerate(betas, 1):
        fresh = torch.randn(clean.shape, dtype=torch.float64, generator=generator)
        noisy = (1 - beta).sqrt() * noisy + beta.sqrt() * fresh
        if number in (1, 10, 100, 300, 600, 1000):
            known = marginal(clean[..., :1], preserving(abar[number - 1]))
            deviation = float(known.deviation)
            assert alike(float(noisy.mean()), float(known.mean), deviation / MANY**0.5)
            assert alike(float(noisy.std()), deviation, deviation / (2 * MANY) ** 0.5)


def test_among_simulated_paths_that_pass_a_point_the_step_before_is_the_posterior():
    """The regression of x_s on x_t over simulated pairs has the posterior's slope and its residual's deviation."""
    betas = scaled_linear_betas()
    abar = torch.cumprod(1 - betas, 0)
    earlier, later = preserving(abar[399]), preserving(abar[499])
    generator = torch.Generator().manual_seed(9)
    clean = torch.full((1, 1, MANY), 0.6, dtype=torch.float64)
    noisy = earlier.noised(clean, torch.randn(clean.shape, dtype=torch.float64, generator=generator))
    before = noisy.clone()
    for beta in betas[400:500]:
        noisy = (1 - beta).sqrt() * noisy + beta.sqrt() * torch.randn(
            clean.shape, dtype=torch.float64, generator=generator
        )
    centred, other = noisy - noisy.mean(), before - before.mean()
    slope = float((centred * other).sum() / (centred**2).sum())
    points = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
    known = posterior(points, clean[..., :2], earlier, later)
    spread = float(known.deviation)
    wanted = float(known.mean[0, 0, 1] - known.mean[0, 0, 0])
    assert alike(slope, wanted, spread / (MANY**0.5 * float(noisy.std())))
    residual = other - slope * centred
    assert alike(float(residual.std()), spread, spread / (2 * MANY) ** 0.5)


@LAW
@given(time=inner)
def test_the_flow_is_the_speed_of_a_rectified_point(time: float):
    level, clean, noise = rectified(torch.tensor(time, dtype=torch.float64)), randn(1), randn(2)
    noisy = level.noised(clean, noise)
    one = torch.tensor(1.0, dtype=torch.float64)
    assert torch.allclose(
        speed(clean, noisy, level, -one, one), predicted_from(Predicted.FLOW, clean, noisy, level)
    )


@LAW
@given(angle=st.floats(0.05, 1.5))
def test_velocity_is_the_speed_over_the_angle_of_a_preserved_point(angle: float):
    turn = torch.tensor(angle, dtype=torch.float64)
    level = Level(turn.cos(), turn.sin())
    clean, noise = randn(1), randn(2)
    noisy = level.noised(clean, noise)
    made = speed(clean, noisy, level, -turn.sin(), turn.cos())
    assert torch.allclose(made, predicted_from(Predicted.VELOCITY, clean, noisy, level))


# --- parametrisations of networks -----------------------------------------------------------------------------------

SAYS = {  # what each predicts of which process, at the scale at which it is asked
    Parametrisation.EPS: (Predicted.NOISE, lambda sigma: preserving(1 / (1 + sigma**2))),
    Parametrisation.V: (Predicted.VELOCITY, lambda sigma: preserving(1 / (1 + sigma**2))),
    Parametrisation.X0: (Predicted.CLEAN, lambda sigma: preserving(1 / (1 + sigma**2))),
    Parametrisation.FLOW: (Predicted.FLOW, rectified),
    Parametrisation.COSMOS: (Predicted.FLOW, lambda sigma: rectified(sigma / (1 + sigma))),
    Parametrisation.IMAGE_TO_IMAGE: (Predicted.CLEAN, exploding),
}
ANY_STEP = torch.zeros(1)


@pytest.mark.parametrize("kind", SAYS, ids=lambda kind: kind.value)
@LAW
@given(share=inner)
def test_a_networks_answer_means_what_the_forward_process_says(kind: Parametrisation, share: float):
    predicts, process = SAYS[kind]
    sigma = torch.tensor(share, dtype=torch.float64)
    clean, noise = randn(1), randn(2)
    asked = process(sigma).noised(clean, noise)  # as in training
    held = kind.mixing.noised(clean, noise, sigma)  # as samplers hold it
    assert torch.allclose(network_input(kind, held, sigma), asked)
    answer = predicted_from(predicts, clean, asked, process(sigma))
    assert torch.allclose(denoised_from(kind, held, sigma, answer, ANY_STEP), clean)
    assert torch.allclose(clean_from(predicts, answer, asked, process(sigma)), clean)


@LAW
@given(share=st.floats(0.01, 50.0))
def test_preconditioning_keeps_what_goes_in_and_what_is_asked_at_unit_variance(share: float):
    """Karras et al. 2022, appendix B.6: over data of the deviation that is counted on."""
    kind, sigma = Parametrisation.EDM, torch.tensor(share, dtype=torch.float64)
    clean, noise = randn(1, MANY) * kind.data_deviation, randn(2, MANY)
    held = clean + sigma * noise
    nothing = denoised_from(kind, held, sigma, torch.zeros_like(held), ANY_STEP)
    scale = denoised_from(kind, torch.zeros_like(held), sigma, torch.ones_like(held), ANY_STEP)
    target = (clean - nothing) / scale
    assert alike(float(network_input(kind, held, sigma).std()), 1.0, 1 / (2 * MANY) ** 0.5)
    assert alike(float(target.std()), 1.0, 1 / (2 * MANY) ** 0.5)


def test_a_consistency_model_leaves_clean_latents_alone_and_jumps_from_the_end():
    kind, held, noise = Parametrisation.CONSISTENCY, randn(1), randn(2)
    sigma = torch.tensor(3.0, dtype=torch.float64)
    start = denoised_from(kind, held, sigma, noise, torch.zeros(1, dtype=torch.float64))
    assert torch.allclose(start, held)
    jump = denoised_from(kind, held, sigma, noise, torch.full((1,), 999.0, dtype=torch.float64))
    assert torch.allclose(jump, held - sigma * noise, atol=1e-3)
