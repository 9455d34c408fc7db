"""Noise: nothing global is read or changed, parts of a batch repeat, a Brownian path is one path."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.diffusion.brownian import BrownianPath, brownian_noise
from nodes.diffusion.noise import (
    CPU,
    NoNoise,
    SeededNoise,
    StartNoise,
    between,
    continued_noise,
    start_noise,
    step_noise,
)
from nodes.diffusion.sampling import SAMPLERS

LIKE = torch.zeros(1, 4, 32, 32)
LAW = settings(max_examples=25, deadline=None)
times = st.floats(0.05, 10.0)


def test_the_global_generator_is_neither_read_nor_moved():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = start_noise((1, 4, 8, 8), 42)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(start_noise((1, 4, 8, 8), 42), first)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**63, 2**64 - 1])
def test_it_is_what_the_seeded_global_generator_would_draw(seed: int):
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    expected = torch.randn(2, 4, 8, 8)
    torch.set_rng_state(state)
    assert torch.equal(start_noise((2, 4, 8, 8), seed), expected)


@LAW
@given(index=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_an_item_has_the_noise_of_its_place_in_the_whole_batch(index: list[int]):
    whole = start_noise((6, 4, 4, 4), 9)
    assert torch.equal(start_noise((len(index), 4, 4, 4), 9, tuple(index)), whole[index])


def test_step_noise_does_not_repeat_the_start_noise():
    start = start_noise((1, 4, 8, 8), 3)
    assert not torch.equal(step_noise(start, 3)(start, 2.0, 1.0), start)


@LAW
@given(parts=st.tuples(times, times, times).map(sorted))
def test_increments_of_a_path_add_up(parts: list[float]):
    low, middle, high = parts
    path = BrownianPath(LIKE, 0.05, 10.0, seed=4)
    whole = path.increment(low, high)
    assert torch.allclose(path.increment(low, middle) + path.increment(middle, high), whole, atol=1e-4)


@pytest.mark.parametrize(("low", "high"), [(0.05, 10.0), (0.1, 0.3), (2.0, 7.5)])
def test_an_increment_varies_as_long_as_it_is(low: float, high: float):
    path = BrownianPath(LIKE, 0.05, 10.0, seed=4)
    assert float(path.increment(low, high).std()) == pytest.approx((high - low) ** 0.5, rel=0.04)


def test_a_path_does_not_depend_on_what_was_asked_before():
    sigmas = torch.tensor([10.0, 5.0, 1.0, 0.0])
    one, other = brownian_noise(LIKE, sigmas, 8), brownian_noise(LIKE, sigmas, 8)
    other(LIKE, 10.0, 5.0)
    assert torch.equal(one(LIKE, 5.0, 1.0), other(LIKE, 5.0, 1.0))


def test_names_of_the_same_sampler_on_another_device_share_its_function():
    for name in SAMPLERS:
        if name.endswith("_gpu"):
            assert SAMPLERS[name].function is SAMPLERS[name.removesuffix("_gpu")].function


def test_sources_of_noise_fill_their_protocol():
    assert isinstance(NoNoise(), StartNoise)
    assert isinstance(SeededNoise(1), StartNoise)
    assert not NoNoise(3).drawn((2, 4, 8, 8), None, CPU).any()
    assert NoNoise(3).seeds(2, None) == 3


def test_a_seed_for_each_image_goes_up_by_one():
    source = SeededNoise(7, per_image=True)
    drawn = source.drawn((3, 4, 5, 5), None, CPU)
    for place in range(3):
        assert torch.equal(drawn[place : place + 1], start_noise((1, 4, 5, 5), 7 + place))
    assert source.seeds(3, None) == (7, 8, 9)
    assert source.seeds(2, (4, 0)) == (11, 7)
    assert SeededNoise(7).seeds(3, None) == 7


@LAW
@given(share=st.floats(0.0, 1.0))
def test_noise_between_two_noises_has_their_variance(share: float):
    one, other = start_noise((2, 4, 32, 32), 1), start_noise((2, 4, 32, 32), 2)
    made = between(one, other, share)
    assert float(made.std()) == pytest.approx(1.0, abs=0.03)
    assert float(made.mean()) == pytest.approx(0.0, abs=0.05)


def test_continued_noise_is_what_the_global_generator_would_draw_next():
    state = torch.get_rng_state()
    torch.manual_seed(5)
    torch.randn(1, 4, 8, 8)
    expected = torch.randn(1, 4, 16, 16)
    torch.set_rng_state(state)
    source = continued_noise(torch.zeros(1, 4, 8, 8), 5)
    assert torch.equal(source(torch.zeros(1, 4, 16, 16), 2.0, 1.0), expected)


# What torchsde 0.2.6 (Apache-2.0) gives: BrownianTree(low, zeros(1, 1, 1, 3), high, entropy=seed)(start, end).
TREES = [
    (0.0291671, 14.6146431, 42, 7.3019819, 14.6146431, [1.4221880435943604, -4.126451015472412, 5.228765964508057]),
    (0.0291671, 14.6146431, 42, 0.4, 2.4959669, [-3.3377623558044434, -0.4454607665538788, -0.673114001750946]),
    (0.0291671, 14.6146431, 42, 0.0291671, 0.4, [0.5011302828788757, -1.1833029985427856, 0.2299291342496872]),
    (0.003, 0.9999999, 2**40 + 7, 0.5, 0.9999999, [-0.5338206887245178, 0.1441631317138672, -1.9394135475158691]),
    (0.003, 0.9999999, 2**40 + 7, 0.003, 0.337972, [0.2774197459220886, 0.2882213592529297, 1.002492904663086]),
]  # fmt: skip


@pytest.mark.parametrize(("low", "high", "seed", "start", "end", "wanted"), TREES)
def test_a_path_is_the_recorded_one_to_the_bit(
    low: float, high: float, seed: int, start: float, end: float, wanted: list[float]
):
    path = BrownianPath(torch.zeros(1, 1, 1, 3), low, high, seed)
    assert path.increment(start, end).flatten().tolist() == wanted
