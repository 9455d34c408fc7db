"""Rules inside a U-Net against their formulas, written out plainly: a walk through its blocks, and dense attention."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodes.diffusion.changes import Attend, Attention, NetworkChanges
from nodes.diffusion.guidance import Guided, inside, merging
from nodes.diffusion.guidance.attention import HyperTile
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.models.load import load_network
from nodes.diffusion.values import Cond, Rule
from tests.diffusion.models import tiny

WIDTH = 32  # channels of the tiny network's first layer
CLOSE = 2e-5
Meeting = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Block = Callable[[int, Tensor], Tensor]


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


POSITIVE, NEGATIVE = (Cond(drawn(2, 1, 9, tiny.CONTEXT)),), (Cond(drawn(3, 1, 9, tiny.CONTEXT)),)
SIGMA = torch.tensor(2.0)


@pytest.fixture(scope="module")
def network(model_file, placement):
    return load_network(model_file, placement)


def estimate(network, latents: Tensor, *rules: Rule, seed: int = 0, sigma: Tensor = SIGMA) -> Tensor:
    guided = Guided(network, POSITIVE, NEGATIVE, 2.0, None, rules)
    guided.start(seed, latents.shape)
    return guided(latents, sigma)


def as_it_is(_number: int, hidden: Tensor) -> Tensor:
    return hidden


@dataclass(frozen=True, eq=False)
class Walk(nn.Module):
    """The tiny U-Net block by block, without diffusers' forward: what the rules change is said at each place."""

    net: Any
    before_skip: Block = as_it_is
    after_skip: Block = as_it_is
    meeting: Meeting = lambda hidden, skip: (hidden, skip)

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def config(self) -> Any:
        return self.net.config

    def forward(
        self, latents: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **_other: Any
    ) -> tuple[Tensor]:
        net = self.net
        time = net.time_embedding(net.time_proj(timestep.reshape(-1).expand(len(latents))))
        skips: list[Tensor] = []

        def kept(hidden: Tensor) -> Tensor:
            hidden = self.before_skip(len(skips), hidden)
            skips.append(hidden)
            return self.after_skip(len(skips) - 1, hidden)

        def reading(attention: Any, hidden: Tensor) -> Tensor:
            return attention(hidden, encoder_hidden_states=encoder_hidden_states, return_dict=False)[0]

        hidden = kept(net.conv_in(latents))
        for block in net.down_blocks:
            attentions = getattr(block, "attentions", [None] * len(block.resnets))
            for resnet, attention in zip(block.resnets, attentions, strict=True):
                hidden = resnet(hidden, time)
                hidden = kept(hidden if attention is None else reading(attention, hidden))
            for down in block.downsamplers or ():
                hidden = kept(down(hidden))
        hidden = net.mid_block.resnets[0](hidden, time)
        hidden = reading(net.mid_block.attentions[0], hidden)
        hidden = net.mid_block.resnets[1](hidden, time)
        for block in net.up_blocks:
            attentions = getattr(block, "attentions", [None] * len(block.resnets))
            for resnet, attention in zip(block.resnets, attentions, strict=True):
                hidden = resnet(torch.cat(self.meeting(hidden, skips.pop()), 1), time)
                hidden = hidden if attention is None else reading(attention, hidden)
            for up in block.upsamplers or ():
                size = skips[-1].shape[-2:]  # of the next skip, as it was kept
                hidden = up.conv(F.interpolate(hidden, size, mode="nearest"))
        assert not skips
        return (net.conv_out(net.conv_act(net.conv_norm_out(hidden))),)


def walked(network, latents: Tensor, **changes: Any) -> Tensor:
    return estimate(replace(network, module=Walk(network.module, **changes)), latents)


LATENTS = drawn(1, 1, 4, 12, 16)


def test_the_walk_is_the_network(network):
    assert torch.allclose(walked(network, LATENTS), estimate(network, LATENTS), atol=CLOSE)


DOWNSCALES = [
    (0, 2.0, True, "bicubic", "bicubic"),
    (1, 1.5, True, "bilinear", "nearest-exact"),
    (2, 1.3, False, "area", "bilinear"),
    (3, 2.0, False, "nearest-exact", "bicubic"),
    (4, 0.7, True, "bicubic", "area"),
    (5, 1.7, False, "bilinear", "bilinear"),
]


@pytest.mark.parametrize(("number", "factor", "after_skip", "down", "up"), DOWNSCALES)
def test_downscaling(network, number: int, factor: float, after_skip: bool, down: str, up: str):
    """One input block's answer is resized, before or after it is kept; each skip of another height is met at its size."""

    def smaller(at: int, hidden: Tensor) -> Tensor:
        if at != number:
            return hidden
        size = [round(side / factor) for side in hidden.shape[-2:]]
        return F.interpolate(hidden, size, mode=down)

    def meeting(hidden: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        same = hidden.shape[2] == skip.shape[2]
        return (hidden if same else F.interpolate(hidden, skip.shape[-2:], mode=up)), skip

    rule = inside.Downscale(number, factor, 0.0, 1.0, after_skip, down, up)
    place = "after_skip" if after_skip else "before_skip"
    expected = walked(network, LATENTS, **{place: smaller, "meeting": meeting})
    assert torch.allclose(estimate(network, LATENTS, rule), expected, atol=CLOSE)
    assert not torch.allclose(expected, estimate(network, LATENTS), atol=1e-3)


def test_downscaling_acts_in_its_share_of_the_run_alone(network):
    rule = inside.Downscale(2, 2.0, 0.2, 0.6)
    for share in (0.19, 0.21, 0.59, 0.61):
        sigma = torch.tensor(network.levels.at_percent(share))
        plain = estimate(network, LATENTS, sigma=sigma)
        within = 0.2 <= share <= 0.6
        assert torch.equal(estimate(network, LATENTS, rule, sigma=sigma), plain) is not within, share


def low_frequencies(planes: Tensor) -> Tensor:
    """The part of planes at frequencies -1 and 0 of both axes, by sums over waves."""
    height, width = planes.shape[-2:]
    made = torch.zeros(planes.shape, dtype=torch.complex128)
    down, across = torch.arange(height)[:, None], torch.arange(width)[None]
    for u, v in product((-1, 0), (-1, 0)):
        wave = torch.exp(2j * math.pi * (u * down / height + v * across / width).double())
        made += (planes * wave.conj()).sum((-2, -1), keepdim=True) / (height * width) * wave
    return made.real


@pytest.mark.parametrize("second_version", [False, True])
@pytest.mark.parametrize("size", [(12, 16), (18, 10)])
def test_free_u(network, size: tuple[int, int], second_version: bool):
    """Widths of two times the first layer's (the tiny network has none of four) are changed, others are not."""
    rule = inside.FreeU((1.7, 1.4), (0.3, 0.55), second_version)

    def meeting(hidden: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        if hidden.shape[1] != 2 * WIDTH:
            return hidden, skip
        factor: Tensor | float = 1.4
        if second_version:
            strengths = []
            for item in hidden:
                mean = item.mean(0)
                strengths.append(1 + (1.4 - 1) * (mean - mean.min()) / (mean.max() - mean.min()))
            factor = torch.stack(strengths)[:, None]
        hidden = torch.cat([hidden[:, :WIDTH] * factor, hidden[:, WIDTH:]], 1)
        return hidden, (skip + (0.55 - 1) * low_frequencies(skip)).to(skip)

    latents = drawn(5, 2, 4, *size)
    expected = walked(network, latents, meeting=meeting)
    assert torch.allclose(estimate(network, latents, rule), expected, atol=CLOSE)
    assert not torch.allclose(expected, estimate(network, latents), atol=1e-3)


@dataclass(frozen=True)
class Dense(Rule):
    """Self-attention of some sizes by another way."""

    way: Callable[[Attention, torch.Generator], Tensor | None]

    def inside(self, at: Evaluation) -> NetworkChanges:
        def change(attention: Attention, attend: Attend) -> Tensor:
            made = None if attention.place.cross else self.way(attention, at.chance)
            return attend(attention) if made is None else made

        return NetworkChanges(attention=(change,))


def masked(attention: Attention, sees: Tensor) -> Tensor:
    """What it gives if each query sees some keys alone, Bool[query key]: every score is made."""
    scores = attention.scores() * sees
    scores = scores / scores.sum(-1, keepdim=True)
    values = attention.unmixed().unflatten(-1, (scores.shape[1], -1)).transpose(1, 2)
    return attention.out((scores @ values).transpose(1, 2).flatten(2))


def tiled_sight(rows: int, columns: int, down: int, across: int) -> Tensor:
    """Queries of the j-th tile of a grid see the j-th run of keys."""
    place = torch.arange(rows * columns)
    tile = place // columns // (rows // down) * across + place % columns // (columns // across)
    return tile[:, None] == (place // (rows * columns // (down * across)))[None]


# size of latents, tile, depth, grows; by level the grid of tokens (as the field counts its sides), and its cuts
TILINGS = [
    ((16, 16), 8, 0, False, {256: (16, 16, 2, 2)}),
    ((16, 16), 4, 1, False, {256: (16, 16, 4, 4), 64: (8, 8, 2, 2)}),
    ((16, 16), 4, 1, True, {256: (16, 16, 4, 4)}),  # tiles of 8 on a grid of 8: one
    ((16, 16), 3, 1, True, {256: (16, 16, 4, 4)}),  # of 3 and 6: the next divisors are 4 and 8
    ((16, 24), 8, 0, False, {384: (24, 16, 3, 2)}),
    ((24, 16), 5, 1, False, {384: (16, 24, 2, 4), 96: (8, 12, 1, 2)}),
    ((12, 20), 2, 1, False, {240: (20, 12, 10, 6), 60: (10, 6, 5, 3)}),
]


@pytest.mark.parametrize(("size", "tile", "depth", "grows", "grids"), TILINGS)
def test_hypertile(network, size: tuple[int, int], tile: int, depth: int, grows: bool, grids: dict[int, Any]):
    """One choice of size, so that nothing is drawn: the smallest divisor of each side that a tile fits in."""
    latents, seen = drawn(6, 1, 4, *size), set[int]()

    def way(attention: Attention, _chance: torch.Generator) -> Tensor | None:
        count = attention.queries.shape[1]
        if count not in grids:
            return None
        seen.add(count)
        return masked(attention, tiled_sight(*grids[count]))

    expected = estimate(network, latents, Dense(way))
    assert seen == grids.keys()
    assert torch.allclose(estimate(network, latents, HyperTile(tile, 1, depth, grows)), expected, atol=CLOSE)
    assert not torch.allclose(expected, estimate(network, latents), atol=1e-4)


def test_hypertile_draws_among_all_its_sizes_but_the_last(network):
    """A side of 12 from 2 on: tiles of 2, 3, 4 and 6 (and 12, too many); of four choices three are drawn, all of them."""
    latents, seen = drawn(7, 1, 4, 12, 12), set[int]()

    class Watch(Rule):
        def inside(self, _at: Evaluation) -> NetworkChanges:
            return NetworkChanges(attention=(watch,))

    def watch(attention: Attention, attend: Attend) -> Tensor:
        if not attention.place.cross and attention.queries.shape[1] != 36:
            seen.add(144 // attention.queries.shape[1])
        return attend(attention)

    for seed in range(8):
        estimate(network, latents, HyperTile(2, 4), Watch(), seed=seed)
    assert seen == {one * other for one in (6, 4, 3) for other in (6, 4, 3)}


@pytest.mark.parametrize(
    ("size", "share"), [((12, 12), 0.1), ((12, 12), 0.5), ((12, 12), 0.9), ((7, 10), 0.3), ((7, 10), 0.75)]
)
def test_token_merging(network, size: tuple[int, int], share: float):
    """Each query that is merged, and what it is merged into, asks with their mean: no place is left out of attention."""
    latents = drawn(8, 2, 4, *size)
    count = size[0] * size[1]
    apart: dict[object, tuple[Tensor, Tensor]] = {}

    def grouped(tokens: Tensor, sources: list[int], into: list[int]) -> Tensor:
        likeness = F.cosine_similarity(tokens[sources][:, None], tokens[into][None], dim=-1).tolist()
        order = sorted(range(len(sources)), key=lambda number: -max(likeness[number]))
        groups = {place: [place] for place in into}
        for number in order[: int(count * share)]:
            groups[into[likeness[number].index(max(likeness[number]))]].append(sources[number])
        asks = tokens.clone()
        for group in groups.values():
            asks[group] = tokens[group].mean(0)
        return asks

    def way(attention: Attention, chance: torch.Generator) -> Tensor | None:
        if attention.queries.shape[1] != count:
            return None
        if attention.place not in apart:
            apart[attention.place] = merging.split(*size, chance)
        sources, into = (part.tolist() for part in apart[attention.place])
        asks = torch.stack([grouped(item, sources, into) for item in attention.queries])
        return attention.out(attention.on(asks, attention.keys, attention.values).mixed())

    expected = estimate(network, latents, Dense(way))
    assert torch.allclose(estimate(network, latents, merging.TokenMerging(share)), expected, atol=CLOSE)


def test_token_merging_takes_one_destination_of_each_two_by_two():
    chance = torch.Generator().manual_seed(1)
    corners = set[tuple[int, int]]()
    for _ in range(20):
        sources, into = merging.split(7, 10, chance)
        assert sorted([*sources.tolist(), *into.tolist()]) == list(range(70))
        rows, columns = into // 10, into % 10
        squares = set(zip((rows // 2).tolist(), (columns // 2).tolist(), strict=True))
        assert squares == set(product(range(3), range(5)))
        assert len(into) == 15
        corners |= set(zip((rows % 2).tolist(), (columns % 2).tolist(), strict=True))
    assert corners == set(product((0, 1), (0, 1)))
