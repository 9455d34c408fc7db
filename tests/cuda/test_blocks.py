"""A network whose blocks come and go says on a card what it says there whole, within its budget."""

import gc

import pytest
import torch

from nodes.diffusion.memory.budget import Budget, Mode
from nodes.diffusion.models.load import best_placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Model
from tests.cuda.studio import starter_reference

pytestmark = pytest.mark.cuda


@pytest.mark.parametrize("pinned", [True, False])
def test_blocks_that_come_and_go_change_no_byte_and_keep_to_the_budget(card: torch.device, pinned: bool):
    model, chance = Model(starter_reference()), torch.Generator().manual_seed(1)
    latents = torch.randn(1, 4, 16, 16, generator=chance)

    def asked(pool: Pool) -> list[torch.Tensor]:
        with torch.inference_mode(), pool.session(room=0) as models:
            network = models.network(model)
            width = network.module.config.cross_attention_dim
            given = [part.to(card, network.dtype) for part in (latents, torch.zeros(1, 77, width))]
            return [
                network(given[0] * share, torch.tensor([500.0], device=card), given[1]).cpu()
                for share in (1, 0.5)
            ]

    plenty = Pool(best_placement(), 10**10)
    expected, whole = asked(plenty), plenty.size
    plenty.empty()
    del plenty
    gc.collect()
    pool = Pool(best_placement(), Budget(10**10, whole, 10**9, mode=Mode.NOTHING, pinned=pinned))
    before = torch.cuda.memory_allocated()
    answers = asked(pool)
    assert all(torch.equal(*pair) for pair in zip(answers, expected, strict=True))
    assert torch.cuda.memory_allocated() - before < whole, "the blocks are gone"
