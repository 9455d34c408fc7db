"""Step caches under odd conditions: the same bytes whatever is grouped with what, and nothing stale is told again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import NO_INPUTS, LatentFormat, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.guidance import Guided
from nodes.diffusion.guidance.caching import EasyCache, LazyCache
from nodes.diffusion.guidance.planning import grouped
from nodes.diffusion.guidance.sparing import TaylorSeer
from nodes.diffusion.guidance.windows import ContextWindows
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.values import Area, CheckpointRef, Conditioning, Hook, HookGroup, HookPatch, Span
from tests.diffusion.guidance.steered import LEVELS
from tests.diffusion.sampling.test_conditions import partitions, prompt, same

SIZE = 1, 4, 8, 8
SIGMAS = torch.tensor([8.0, 7.6, 7.2, 6.8, 6.4, 6.0, 5.6, 5.2])
MIDDLE = 1.0 - float(LEVELS.timestep(torch.tensor([6.6]))) / (len(LEVELS.sigmas) - 1)  # share of the run
RULES = (EasyCache(0.2, 0.0, 1.0), LazyCache(0.2, 0.0, 1.0), TaylorSeer(2, 1, 2))


@dataclass(slots=True, eq=False)
class Small:
    """A network of one formula, in which every place sees the text and its own; counts the items that it is asked for."""

    apart: bool = True
    count: int = 0
    levels: NoiseLevels = field(default_factory=lambda: LEVELS)
    parametrisation: Parametrisation = Parametrisation.EPS
    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(scale=1.0))
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32

    def hooked(self, _patches: tuple[HookPatch, ...]) -> "Small":
        """The same: weights do not matter here."""
        return self

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        del residuals, inputs, changes
        self.count += len(latents)
        said = context.mean((1, 2))[:, None, None, None]
        return torch.sin(latents * 2 + said) + latents * (timestep[:, None, None, None] / 2000)


def drawn(seed: int) -> Tensor:
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(seed))


def run(
    positive: Conditioning,
    negative: Conditioning,
    *rules: Any,
    grouping: Any = grouped,
    together: bool = False,
) -> tuple[list[Tensor], int]:
    """Estimates down a run, and for how many items the network was asked."""
    network = Small(not together)
    guided = Guided(network, positive, negative, 3.0, None, rules)
    guided.start(1, SIZE)
    guided._steering.conditioned.grouping = grouping
    start, way = drawn(0), drawn(1)
    made = [guided(start * float(sigma) + 0.02 * step * way, sigma) for step, sigma in enumerate(SIGMAS)]
    return made, network.count


def odd() -> tuple[Conditioning, Conditioning]:
    """Areas, two lengths of text, one condition twice, one text at two strengths, one for a share of the run."""
    short, long = prompt(1), prompt(2, tokens=14)
    area = replace(prompt(3), area=Area(8, 4, 0, 4), strength=0.6)
    again = replace(short, strength=0.3)
    late = replace(prompt(5, tokens=21), span=Span(MIDDLE, 1.0))
    return (short, long, area, short, again, late), (prompt(4),)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_a_cache_gives_the_same_bytes_whatever_is_asked_together(rule: Any):
    positive, negative = odd()
    usual, count = run(positive, negative, rule)
    _, every = run(positive, negative)
    assert count < every
    numbers = (0, 7, 200)

    def chosen(number: int, pieces: Sequence[Any]) -> Sequence[Sequence[Any]]:
        found = grouped(pieces)
        parted = [list(partitions(group[:5])) for group in found]
        return [
            part
            for group, ways in zip(found, parted, strict=True)
            for part in (*ways[number % len(ways)], *([group[5:]] if group[5:] else []))
        ]

    for number in numbers:
        made, asked = run(positive, negative, rule, grouping=partial(chosen, number))
        assert same(made, usual)
        assert asked == count


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_conditions_asked_in_one_call_are_told_apart(rule: Any):
    """As a card asks them: one text at two strengths, one condition twice; all of them throughout."""
    (*positive, _), negative = odd()
    apart, _ = run(tuple(positive), negative, rule)
    made, _ = run(tuple(positive), negative, rule, together=True)
    for one, other in zip(made, apart, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_nothing_stale_is_told_when_the_condition_that_decides_counts_no_more():
    first, second = replace(prompt(1), span=Span(0.0, MIDDLE)), prompt(2)
    negative = replace(prompt(4), span=Span(0.0, MIDDLE))
    rule = EasyCache(0.2, 0.0, 1.0)
    made, count = run((first, second), (negative,), rule)
    plain, every = run((first, second), (negative,))
    ends = next(step for step, sigma in enumerate(SIGMAS) if float(sigma) < LEVELS.at_percent(MIDDLE))
    assert 2 <= ends < len(SIGMAS) - 2
    torch.testing.assert_close(made[ends], plain[ends])  # asked anew: another condition decides from here on
    assert not torch.equal(made[ends + 1], made[ends])
    assert count < every
    far = [
        float((one - other).abs().mean() / other.abs().mean()) for one, other in zip(made, plain, strict=True)
    ]
    assert max(far) < 0.2


def test_conditions_with_hooks_are_spared_too():
    hook = HookGroup((Hook(CheckpointRef(Path(__file__), "x"), 0.5, 0.0),))
    hooked = replace(prompt(1), hooks=hook)
    made, count = run((hooked,), (prompt(4),), RULES[0])
    plain, fewer = run((prompt(1),), (prompt(4),), RULES[0])
    assert (count, same(made, plain)) == (fewer, True)


def test_each_context_window_is_a_condition_of_its_own():
    rules = ContextWindows(4, 2, axis=3), ContextWindows(4, 2, "standard_uniform", axis=3)
    for windows in rules:
        made, count = run((prompt(1),), (prompt(4),), RULES[0], windows)
        plain, every = run((prompt(1),), (prompt(4),), windows)
        assert count <= every
        far = [
            float((one - other).abs().mean() / other.abs().mean())
            for one, other in zip(made, plain, strict=True)
        ]
        assert max(far) < 0.2


def test_a_cache_says_what_it_spared_where_it_is_to():
    def told(rule: Any) -> Sequence[str]:
        guided = Guided(Small(), (prompt(1),), (prompt(4),), 3.0, None, (rule,))
        for step, sigma in enumerate(SIGMAS):
            guided(drawn(0) * float(sigma) + 0.02 * step * drawn(1), sigma)
        return guided.told

    assert told(RULES[0]) == told(RULES[1]) == []
    (easy,), (lazy,) = told(EasyCache(0.2, 0.0, 1.0, True)), told(LazyCache(0.2, 0.0, 1.0, True))
    assert easy.startswith("EasyCache spared ") and easy.endswith(" of 16 calls of the model.")
    assert lazy.startswith("LazyCache spared ") and lazy.endswith(" of 8 evaluations.")
    assert told(TaylorSeer(2, 1, 2)) == ["TaylorSeer spared 6 of 16 calls of the model."]
