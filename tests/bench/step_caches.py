"""What step caches spare, and how far their pictures go from those made without.

Run `python -m tests.bench.step_caches [STEPS]`. For each cache: the share of calls that was spared (by those that spare
blocks: of calls of all blocks), processor time over that without the cache, and how far the last latents are from those
without it (root mean square of the difference over that of the latents). Euler, seed 7. Networks: the starter model at
128 x 128 with guidance 5, which is trained, so that its distances mean something; tiny FLUX.1 and Qwen-Image of small random
weights with a slow clock, so that their answers change as slowly as a trained network's: they show that the caches act.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.denoiser import Network
from nodes.diffusion.guidance import Guided
from nodes.diffusion.guidance.caching import EasyCache, LazyCache
from nodes.diffusion.guidance.rules import RULES
from nodes.diffusion.guidance.sparing import FirstBlockCache, MagCache, TaylorSeer
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.load import Placement, load_network, load_text
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import Cond, Conditioning, Latent
from tests.bench.sampler_overhead import STARTER
from tests.diffusion.models.test_spared import network
from tests.diffusion.models.test_transformers import tiny_network
from tests.diffusion.models.transformers import CASES, some

SEED, SCALE = 7, 5.0
WEAKER, SLOWER = 0.5, 0.01  # times the weights of tests, which are large; times those that read the clock
PROMPT = "a red apple on a table"
Setting = tuple[Network, Conditioning, Conditioning, tuple[int, ...]]


def main() -> None:
    """Print a table for each network."""
    torch.set_num_threads(1)
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name, setting in (("starter", starter()), *((name, tiny(name)) for name in ("FLUX.1", "Qwen-Image"))):
        transformer = name != "starter"
        plain, base, _ = made(setting, steps)
        print(f"\n{name}, {steps} steps\n| cache | spared | time | distance |\n|---|---|---|---|")
        for rule in rules(setting, steps, transformer=transformer):
            last, took, told = made(setting, steps, rule)
            far = float((last - plain).square().mean().sqrt() / plain.square().mean().sqrt())
            words = told[0].split()
            share = int(words[words.index("spared") + 1]) / int(words[words.index("of") + 1])
            print(f"| {called(rule)} | {share:.0%} | {took / base:.2f} | {far:.3f} |", flush=True)


def rules(setting: Setting, steps: int, *, transformer: bool) -> Sequence[Any]:
    """The caches that act on a network; MagCache by ratios that a run without it gave."""
    every = [
        EasyCache(0.1, verbose=True),
        EasyCache(0.2, verbose=True),
        LazyCache(0.1, verbose=True),
        LazyCache(0.2, verbose=True),
        TaylorSeer(2, 1, 3),
        TaylorSeer(3, 1, 3),
        TaylorSeer(3, 2, 3),
    ]
    if transformer:
        ratios = made(setting, steps, MagCache((), steps))[2][0].split(": ")[1].split(", ")
        table = tuple(float(ratio) for ratio in ratios)
        every += [FirstBlockCache(threshold) for threshold in (0.1, 0.2)]
        every += [MagCache(table, steps, threshold) for threshold in (0.06, 0.24)]
    return every


def made(setting: Setting, steps: int, *rule: Any) -> tuple[Tensor, float, Sequence[str]]:
    """The last latents, processor seconds, and what the rule says."""
    net, positive, negative, shape = setting
    guided = Guided(net, positive, negative, SCALE if negative else 1.0, None, rule)
    sigmas = for_sampler("normal", "euler", net.levels, steps=steps, denoise=1.0)
    start = time.process_time()
    *_, last = sample(guided, Latent(torch.zeros(shape)), Run("euler", sigmas, SEED))
    return last.latents, time.process_time() - start, guided.told


def called(rule: Any) -> str:
    """A rule with its numbers."""
    assert type(rule) in RULES
    match rule:
        case TaylorSeer():
            return f"TaylorSeer, every {rule.interval}, order {rule.order}"
        case _:
            return f"{type(rule).__name__} {rule.threshold:g}"


def starter() -> Setting:
    """The starter model with a prompt and an empty one."""
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    folder = Path(STARTER)
    (encoder,) = load_text(folder, placement).encoders.values()
    texts = [(Cond(encoder.encode(text).context),) for text in (PROMPT, "")]
    return load_network(folder, placement), texts[0], texts[1], (1, 4, 16, 16)


def tiny(kind: str) -> Setting:
    """A tiny transformer of random weights, with two texts."""
    case = next(case for case in CASES if case.name == kind)
    pooled = None if case.inputs.pooled is None else case.inputs.pooled[:1]
    texts = [(Cond(some(1, 5, case.text_width, seed=seed), pooled),) for seed in (3, 4)]
    form = LatentFormat(channels=case.latents[1], scale=1.0, axes=len(case.latents) - 2)
    module = tiny_network(case)
    for name, tensor in module.state_dict().items():
        tensor.mul_(SLOWER if "timestep_embedder.linear_1" in name else WEAKER)
    net = replace(network(case, module), latent_format=form)
    return net, texts[0], texts[1], (1, *case.latents[1:])


if __name__ == "__main__":
    main()
