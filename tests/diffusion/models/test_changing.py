"""What is changed inside a network while it is asked, and that nothing of it stays."""

import torch

from nodes.diffusion.denoiser import NetworkChanges
from nodes.diffusion.models.load import load_network
from tests.diffusion.models import tiny

LATENTS = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
TIMES = torch.tensor([10.0, 900.0])
CONTEXT = torch.randn(2, 77, tiny.CONTEXT, generator=torch.Generator().manual_seed(2))


def test_a_skip_change_sees_every_joint_with_the_skip_that_comes_in(model_file, placement):
    network = load_network(model_file, placement)
    seen = []

    def watch(hidden, skip):
        seen.append((hidden.shape[1], skip.shape[1], hidden.shape[-1]))
        return hidden, skip

    plain = network(LATENTS, TIMES, CONTEXT)
    watched = network(LATENTS, TIMES, CONTEXT, changes=NetworkChanges(skips=(watch,)))
    assert torch.equal(watched, plain)
    assert seen == [(64, 64, 4), (64, 64, 4), (64, 32, 4), (64, 32, 8), (32, 32, 8), (32, 32, 8)]


def test_skip_changes_are_made_in_order_and_leave_nothing_behind(model_file, placement):
    network = load_network(model_file, placement)
    plain = network(LATENTS, TIMES, CONTEXT)
    double, halve = lambda h, skip: (h, skip * 2), lambda h, skip: (h, skip / 2)
    one = network(LATENTS, TIMES, CONTEXT, changes=NetworkChanges(skips=(double,)))
    both = network(LATENTS, TIMES, CONTEXT, changes=NetworkChanges(skips=(double, halve)))
    assert not torch.allclose(one, plain)
    assert torch.equal(both, plain)
    assert torch.equal(network(LATENTS, TIMES, CONTEXT), plain)
