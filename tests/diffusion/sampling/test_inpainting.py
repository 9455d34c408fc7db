"""What a mask frees: all along a run, or from a share of it that the mask says."""

import pytest
import torch
from torch import Tensor

from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise_levels import FlowLevels, from_betas, scaled_linear_betas
from nodes.diffusion.sampling.inpainting import Inpainting, Opening

LEVELS = from_betas(scaled_linear_betas())
SIGMAS = torch.cat((LEVELS.sigmas[[999, 750, 500, 250, 0]], torch.zeros(1)))
MASK = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]).reshape(1, 1, 1, 5)


class Recording:
    """Says two for the guided side and three for the other; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Tensor] = []

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        return self.both(latents, sigma)[0]

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        self.asked.append(latents)
        return torch.full_like(latents, 2.0), torch.full_like(latents, 3.0)


@pytest.mark.parametrize("mixing", list(Mixing))
def test_what_is_kept_is_noisy_before_and_clean_after(mixing: Mixing):
    network, sigma = Recording(), torch.tensor(0.5)
    kept, noise = torch.full((1, 1, 1, 5), 7.0), torch.full((1, 1, 1, 5), 0.3)
    held = Inpainting(network, mixing, kept, noise, MASK)
    guided, negative = held.both(torch.ones(1, 1, 1, 5), sigma)
    noisy = 7.0 * float(mixing.alpha(sigma)) + 0.3 * 0.5
    assert torch.allclose(network.asked[0], MASK * 1.0 + (1 - MASK) * noisy)
    assert torch.allclose(guided, MASK * 2.0 + (1 - MASK) * 7.0)
    assert torch.equal(negative, torch.full_like(negative, 3.0))


@pytest.mark.parametrize(
    ("place", "free"),
    [(0, [0, 0, 0, 0, 1]), (1, [0, 0, 0, 0, 1]), (2, [0, 0, 0, 1, 1]), (4, [1, 1, 1, 1, 1])],
)
def test_grey_opens_when_as_much_of_the_run_is_left_as_it_is_bright(place: int, free: list[int]):
    opening = Opening(LEVELS, SIGMAS, 1.0)
    assert opening.at(MASK, SIGMAS[place]).flatten().tolist() == free


def test_less_strength_mixes_with_the_mask_as_it_is_and_none_counts_as_all():
    whole = Opening(LEVELS, SIGMAS, 1.0).at(MASK, SIGMAS[2])
    assert torch.equal(Opening(LEVELS, SIGMAS, 0.0).at(MASK, SIGMAS[2]), whole)
    assert torch.allclose(Opening(LEVELS, SIGMAS, 0.25).at(MASK, SIGMAS[2]), 0.25 * whole + 0.75 * MASK)


def test_white_is_free_all_along_and_black_never_before_the_end():
    for levels in (LEVELS, FlowLevels()):
        sigmas = torch.linspace(levels.maximum, 0.0, 9)
        for sigma in sigmas[:-2]:
            free = Opening(levels, sigmas, 1.0).at(MASK, sigma).flatten()
            assert (float(free[0]), float(free[-1])) == (0.0, 1.0)


def test_a_run_of_one_level_frees_all():
    assert Opening(LEVELS, SIGMAS[[4, 5]], 1.0).at(MASK, SIGMAS[4]).all()
