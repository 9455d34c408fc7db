"""The card draws what the processor draws, and the same bytes every time."""

import pytest
import torch

from nodes.diffusion.models.load import best_placement
from nodes.diffusion.sampling import SAMPLERS, sampler
from tests.cuda.studio import Studio, apart

pytestmark = pytest.mark.cuda

EXACT = 1e-3  # of latents in single precision: rounding, which a few steps make larger
ADAPTIVE = 0.2  # where a difference in the last bit moves whole steps


def test_weft_picks_the_card_by_itself(best: Studio):
    assert best_placement().device.type == "cuda"
    best.latents()
    with best.pool.session() as models:
        network = models.network(best.model)
    weights = list(network.module.parameters())
    assert {weight.device.type for weight in weights} == {"cuda"}
    assert {weight.dtype for weight in weights} == {torch.float16}


def test_in_single_precision_the_picture_is_the_processors(single: Studio, processor: Studio):
    latents = [studio.latents(steps=8, side=128) for studio in (single, processor)]
    assert {one.device.type for one in latents} == {"cpu"}
    assert apart(*latents) < EXACT, "the start noise is made on the processor"
    pictures = [studio.picture(one) for studio, one in zip((single, processor), latents, strict=True)]
    assert float((pictures[0] - pictures[1]).abs().max()) < 0.01


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_in_half_precision_the_picture_is_nearly_the_processors(
    best: Studio, processor: Studio, sampler: str
):
    pictures = [studio.picture(studio.latents(sampler, steps=8, side=128)) for studio in (best, processor)]
    difference = (pictures[0] - pictures[1]).abs()
    print(f"{sampler}: mean {float(difference.mean()):.5f}, largest {float(difference.max()):.4f}")
    assert float(difference.mean()) < 0.01  # of 0 to 1; on the processor it is 0.001


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m_sde", "euler_ancestral"])
def test_every_run_gives_the_same_bytes(best: Studio, sampler: str):
    first = best.latents(sampler, side=128)
    assert torch.equal(best.latents(sampler, side=128), first)
    best.pool.empty()
    again = best.latents(sampler, side=128)
    assert torch.equal(again, first), "and with weights that were loaded anew"
    assert torch.equal(best.picture(first), best.picture(again))


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_walks_on_the_card_as_on_the_processor(
    single: Studio, processor: Studio, name: str, monkeypatch: pytest.MonkeyPatch
):
    there = processor.latents(name)
    own = single.latents(name)
    assert bool(own.isfinite().all()) and torch.equal(single.latents(name), own)
    noise_of_the_processor(monkeypatch)
    difference = apart(single.latents(name), there)
    print(f"{name:32} {difference:.1e} apart; with noise of its own {apart(own, there):.1e}")
    assert difference < (ADAPTIVE if name == "dpm_adaptive" else EXACT)


def noise_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What samplers add on their way is drawn where the latents are, and a card draws other numbers."""

    def moved(source):
        return lambda like, sigma, following: source(like.cpu(), sigma, following).to(like.device)

    for name in ("step_noise", "continued_noise", "brownian_noise"):
        made = getattr(sampler, name)
        monkeypatch.setattr(
            sampler, name, lambda latents, *more, made=made: moved(made(latents.cpu(), *more))
        )
