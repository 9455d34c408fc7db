"""Rules that diffusers has too give what it gives."""

import pytest
import torch
from diffusers.guiders import adaptive_projected_guidance as apg
from diffusers.guiders import tangential_classifier_free_guidance as tcfg
from diffusers.guiders.classifier_free_zero_star_guidance import cfg_zero_star_scale
from diffusers.guiders.guider_utils import rescale_noise_cfg
from diffusers.utils.torch_utils import apply_freeu

from nodes.diffusion.changes import Joint, NetworkChanges
from nodes.diffusion.guidance import after, before, inside, joining
from tests.diffusion.guidance.steered import (
    NEGATIVE,
    NOISY,
    POSITIVE,
    SIGMA,
    Given,
    drawn,
    estimate,
    guided,
)

SCALE = 3.0


def close(made, expected):
    return torch.allclose(made, expected, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_rescaled_velocities(share: float):
    spread = SIGMA**2 + 1
    velocity = lambda clean: (NOISY / spread - clean) * spread**0.5 / SIGMA  # noqa: E731
    expected = rescale_noise_cfg(velocity(estimate()), velocity(POSITIVE), share)
    assert close(velocity(estimate(joining.RescaleCfg(share))), expected)


@pytest.mark.parametrize(
    ("along", "longest", "momentum"), [(0.0, 0.0, 0.0), (0.5, 3.0, -0.5), (1.5, 20.0, 0.3)]
)
def test_projected_guidance(along: float, longest: float, momentum: float):
    network, buffer = Given(), apg.MomentumBuffer(momentum)
    steered = guided(before.ProjectedGuidance(along, longest, momentum), network=network)
    for seed in (20, 21, 22):
        network.estimates = (drawn(seed), NEGATIVE)
        theirs = apg.normalized_guidance(drawn(seed), NEGATIVE, SCALE, buffer, along, longest)
        ours = steered(NOISY, SIGMA) - (drawn(seed) - NEGATIVE)  # the field adds this on top
        assert close(ours, theirs)


def test_tangential_damping():
    theirs = tcfg.normalized_guidance(NOISY - POSITIVE, NOISY - NEGATIVE, SCALE)
    assert close(NOISY - estimate(before.TangentialDamping()), theirs)


def test_the_optimised_scale():
    best = cfg_zero_star_scale((NOISY - POSITIVE).flatten(1), (NOISY - NEGATIVE).flatten(1)).view(2, 1, 1, 1)
    made = estimate(after.OptimisedScale())
    assert close(made, best * NEGATIVE + SCALE * (POSITIVE - best * NEGATIVE))


@pytest.mark.parametrize(("stage", "channels"), [(0, 4), (1, 2), (2, 1)])
def test_free_u(stage: int, channels: int):
    hidden, skip = drawn(1, (2, 8 * channels, 6, 10)), drawn(2, (2, 8, 6, 10))
    (change,) = changes(inside.FreeU((1.3, 1.4), (0.9, 0.2))).skips
    theirs = apply_freeu(stage, hidden.clone(), skip.clone(), s1=0.9, s2=0.2, b1=1.3, b2=1.4)
    for ours, expected in zip(change(Joint(3 * stage, 8), hidden, skip), theirs, strict=True):
        assert close(ours, expected)


def changes(rule) -> NetworkChanges:
    network = Given()
    estimate(rule, network=network)
    return network.changes[-1]
