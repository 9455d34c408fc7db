"""What is known of samplers and schedules as JSON, for those who have no torch: `python -m nodes.starter.reference.table F`.

What a sampler costs and whether it adds noise is not said but measured, on a small closed-form denoiser.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nodes.diffusion.about_schedules import ABOUT_SCHEDULES
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.about import ABOUT_SAMPLERS
from nodes.diffusion.sampling.sampler import SamplerSetting
from nodes.diffusion.sampling.wishes import SAMPLER_WISHES, SCHEDULE_WISHES, Wish
from nodes.diffusion.schedules import SCHEDULES
from nodes.diffusion.values import Latents, Sigma

STEPS = 16
ITS_OWN = ("dpm_adaptive",)  # chooses how often it asks the network
FORWARD = 0.5  # the share of noisy latents in the measuring denoiser's answer


@dataclass
class Counting:
    """A denoiser of data whose mean is 0, which counts how often it is asked."""

    calls: int = 0

    def __call__(self, latents: Latents, sigma: Sigma) -> Latents:
        self.calls += 1
        return FORWARD * latents / (1 + sigma**2)

    def both(self, latents: Latents, sigma: Sigma) -> tuple[Latents, Latents]:
        estimate = self(latents, sigma)
        return estimate, 0.9 * estimate


@dataclass(frozen=True, slots=True)
class Measured:
    """Network calls a step, None where the sampler chooses them itself; whether another seed ends elsewhere."""

    calls: int | None
    noise: bool


def measured(name: str) -> Measured:
    """What a sampler costs, and whether it adds noise of its own at its defaults."""
    ends: list[Latents] = []
    counting = Counting()
    for seed in (1, 2):
        counting = Counting()
        levels = from_betas(scaled_linear_betas())
        sigmas = SCHEDULES["karras"](levels, STEPS)
        start = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * sigmas[0]
        steps = list(
            SAMPLERS[name].steps(counting, start, sigmas, SamplerSetting(seed, Mixing.ADDED, levels))
        )
        ends.append(steps[-1].latents)
    calls = None if name in ITS_OWN else round(counting.calls / STEPS)
    return Measured(calls, noise=not torch.equal(*ends))


def table() -> Mapping[str, object]:
    """All of it, in the menus' order."""
    costs = {name: measured(name) for name in ABOUT_SAMPLERS}
    samplers = [
        {
            "name": name,
            "purpose": about.purpose,
            "maths": list(about.maths),
            "source": about.source,
            "calls": costs[name].calls,
            "noise": costs[name].noise,
        }
        for name, about in ABOUT_SAMPLERS.items()
    ]
    schedules = [
        {"name": name, "purpose": about.purpose, "maths": [about.maths], "source": about.source}
        for name, about in ABOUT_SCHEDULES.items()
    ]
    return {
        "samplers": samplers,
        "schedules": schedules,
        "sampler_wishes": _plain((*SAMPLER_WISHES, *_of_noise(costs))),
        "schedule_wishes": _plain(SCHEDULE_WISHES),
    }


def text() -> str:
    """The file's text."""
    return json.dumps(table(), indent=1, ensure_ascii=False) + "\n"


def _of_noise(costs: Mapping[str, Measured]) -> Sequence[Wish]:
    """What follows from the measurement."""
    without = tuple(name for name, cost in costs.items() if not cost.noise)
    adding = tuple(name for name, cost in costs.items() if cost.noise)
    return (
        Wish(("no noise", "without noise", "deterministic"), without),
        Wish(("fresh noise", "adds noise", "stochastic"), adding),
    )


def _plain(wishes: Sequence[Wish]) -> list[object]:
    return [{"words": list(wish.words), "names": list(wish.names)} for wish in wishes]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
