"""Blocks and calls that are spared: as diffusers' own hooks spare them, and in every family of transformers."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers.hooks.first_block_cache import FirstBlockCacheConfig, apply_first_block_cache
from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS, MagCacheConfig, apply_mag_cache
from diffusers.hooks.taylorseer_cache import TaylorSeerCacheConfig, apply_taylorseer_cache
from torch import Tensor

from nodes.diffusion.denoiser import Network, Residuals
from nodes.diffusion.guidance.sparing import FirstBlockCache, MagCache, TaylorSeer
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.stacked import asked
from nodes.diffusion.noise_levels import FlowLevels
from nodes.diffusion.residuals import Row
from tests.diffusion.models.test_transformers import tiny_network
from tests.diffusion.models.transformers import CASES, CPU, some

STEPS = 10
BY_NAME = {case.name: case for case in CASES}
PAIR = pytest.mark.parametrize("name", ["FLUX.1", "Qwen-Image"])


def network(case: Any, module: Any) -> LoadedNetwork:
    return LoadedNetwork(
        module,
        case.family,
        case.predicts,
        FlowLevels(),
        latent_format(case.family.latents),
        CPU,
        torch.float32,
    )


def told(case: Any) -> Any:
    return replace(case.inputs, conds=(1,), references=())


def calls(case: Any, ask: Callable[..., Tensor]) -> list[Tensor]:
    """Answers down a run whose latents and timesteps change a little at each step, faster in its middle."""
    start, way, text = some(*case.latents), some(*case.latents, seed=1), some(2, 5, case.text_width, seed=3)
    made: list[Tensor] = []
    for step in range(STEPS):
        gone = 0.0008 * step + (0.1 if step >= STEPS // 2 else 0.0)
        made.append(ask(start + gone * way, torch.full((2,), 0.9 - 0.5 * gone), text))
    return made


def ours(case: Any, module: Any, rule: Any) -> tuple[list[Tensor], str]:
    kept: dict[str, Any] = {}
    net: Network = rule.wrap(network(case, module), lambda: 0.5, kept)
    return calls(case, lambda *given: net(*given, inputs=told(case))), rule.report(kept)


def theirs(case: Any, module: Any, put_on: Callable[[Any, Any], None], config: Any) -> list[Tensor]:
    changed = copy.deepcopy(module)
    put_on(changed, config)

    def ask(*given: Tensor) -> Tensor:
        with torch.no_grad(), changed.cache_context("one"):
            return asked(case.family, changed, *given, inputs=told(case))

    return calls(case, ask)


def plain(case: Any, module: Any) -> list[Tensor]:
    return calls(case, lambda *given: network(case, module)(*given, inputs=told(case)))


def equal(made: list[Tensor], wanted: list[Tensor], share: float = 1e-5) -> bool:
    return all(
        float((one - other).abs().max()) < share * float(other.abs().max())
        for one, other in zip(made, wanted, strict=True)
    )


@PAIR
def test_the_first_block_decides_as_in_diffusers(name: str):
    case = BY_NAME[name]
    module = tiny_network(case)
    counts = []
    for threshold in (0.1, 0.3, 10.0):
        made, said = ours(case, module, FirstBlockCache(threshold))
        wanted = theirs(case, module, apply_first_block_cache, FirstBlockCacheConfig(threshold))
        assert equal(made, wanted)
        counts.append(int(said.split()[3]))
    assert counts[0] < counts[1] < counts[2] == STEPS - 1
    assert not equal(ours(case, module, FirstBlockCache(0.3))[0], plain(case, module))
    assert equal(ours(case, module, FirstBlockCache(0.0))[0], plain(case, module), 1e-7)


@PAIR
def test_a_table_of_magnitudes_decides_as_in_diffusers(name: str):
    case = BY_NAME[name]
    module = tiny_network(case)
    ratios = tuple(float(ratio) for ratio in FLUX_MAG_RATIOS)
    made, said = ours(case, module, MagCache(ratios, STEPS))
    wanted = theirs(
        case,
        module,
        apply_mag_cache,
        MagCacheConfig(num_inference_steps=STEPS, mag_ratios=torch.tensor(ratios)),
    )
    assert equal(made, wanted)
    assert not equal(made, plain(case, module))
    assert said.startswith("MagCache spared ") and not said.startswith("MagCache spared 0 ")


@PAIR
def test_magnitudes_are_measured_as_in_diffusers(name: str, capsys: pytest.CaptureFixture[str]):
    case = BY_NAME[name]
    module = tiny_network(case)
    made, said = ours(case, module, MagCache((), STEPS))
    assert equal(made, plain(case, module), 1e-7)
    theirs(case, module, apply_mag_cache, MagCacheConfig(num_inference_steps=STEPS, calibrate=True))
    wanted = [float(word) for word in capsys.readouterr().out.split("[")[-1].split("]")[0].split(",")]
    numbers = [float(word) for word in said.split(": ")[1].split(",")]
    assert numbers == pytest.approx(wanted, rel=1e-4)
    assert len(numbers) == STEPS


@PAIR
@pytest.mark.parametrize("order", [0, 1, 2])
def test_answers_are_continued_as_in_diffusers(name: str, order: int):
    case = BY_NAME[name]
    module = tiny_network(case)
    made, said = ours(case, module, TaylorSeer(3, order, 2))
    config = TaylorSeerCacheConfig(3, 2, None, order, torch.float32, use_lite_mode=True)
    assert equal(made, theirs(case, module, apply_taylorseer_cache, config), 1e-4)
    assert said == "TaylorSeer spared 5 of 10 calls of the model."


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_spared_blocks_of_every_family_add_what_they_added(case: Any):
    """The same call again is answered from the first block alone, and the answer is the same."""
    module = tiny_network(case)
    counts: list[int] = []
    blocks = getattr(module, case.family.stacks.double.name)
    parts = [part for block in blocks for part in block.children()]
    for part in parts:
        part.register_forward_pre_hook(lambda *_: counts.append(1))
    rules = FirstBlockCache(0.5), MagCache((1.0,), 2, rests=0.5)
    for rule in rules:
        net = rule.wrap(network(case, module), lambda: 0.5, {})
        given = some(*case.latents), torch.full((2,), 0.4), some(2, 5, case.text_width, seed=3)
        inputs = replace(case.inputs, conds=(1,))
        first = net(*given, inputs=inputs)
        count = len(counts)
        again = net(*given, inputs=inputs)
        assert len(counts) - count <= len(list(blocks[0].children()))
        assert float((first - again).abs().max()) <= 1e-4 * float(first.abs().max())
        counts.clear()


def test_what_a_control_network_adds_between_spared_blocks_is_added_once():
    case = BY_NAME["FLUX.1"]
    module: Any = tiny_network(case)
    width = module.inner_dim
    net = MagCache((1.0,), 2, rests=0.5).wrap(network(case, module), lambda: 0.5, {})
    given = some(*case.latents), torch.full((2,), 0.4), some(2, 5, case.text_width, seed=3)
    tokens = case.latents[2] * case.latents[3] // 4
    added = Residuals(double=(Row([some(2, tokens, width, seed=20 + index) for index in range(2)]),))
    first, again = (net(*given, inputs=told(case), residuals=added) for _ in range(2))
    assert float((first - again).abs().max()) <= 1e-4 * float(first.abs().max())
