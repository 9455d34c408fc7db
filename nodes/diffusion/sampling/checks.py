"""What can be wrong with a run, told before it starts or at the step where it shows."""

import math
from collections import deque
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.sampling.choice import SamplerChoice
from nodes.diffusion.sampling.sampler import Sampler
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.values import Sigmas

AHEAD = 2  # steps that a card may be behind what is told


def check_sigmas(sigmas: Sigmas, sampler: Sampler, choice: SamplerChoice, mixing: Mixing) -> None:
    """Whether a sampler can go through these sigmas, where noise is mixed so.

    Raises:
        DiffusionError: they are no noise levels, rise for a sampler that can only go down, or end in nothing but noise.
    """
    levels = _numbers(sigmas)
    wrong = next((level for level in levels if not 0.0 <= level < math.inf), None)
    if wrong is not None:
        raise DiffusionError(
            f"The schedule holds {wrong}, which is no noise level.",
            "Sigmas are numbers from 0 up: correct the schedule.",
        )
    if mixing is Mixing.TRADED and levels[-1] >= 1.0:
        raise DiffusionError(
            f"The schedule ends at {levels[-1]:g}, where a flow model's latents are noise alone, of no scale.",
            "End it below 1, at 0.999 for example.",
        )
    if sampler.climbs(dict(choice.options)):
        return
    for number, (level, following) in enumerate(pairwise(levels), 1):
        if following > level:
            raise DiffusionError(
                f"The schedule rises in step {number}, from {level:g} to {following:g}, "
                f"and the sampler {choice.name} can only go down.",
                "Put the sigmas in falling order; to go from a picture back to noise, take one without noise, as euler.",
            )


class Watch:
    """Sees whether the steps of a run give numbers. Where a card computes, it is not waited for at each step.

    Args:
        name: of the sampler.
        sigmas: of the run.
    """

    def __init__(self, name: str, sigmas: Sigmas) -> None:
        self._name = name
        self._levels = _numbers(sigmas)
        self._waiting: deque[tuple[int, Tensor, torch.cuda.Event | None]] = deque()

    def look(self, step: Step) -> None:
        """Take in a step.

        Raises:
            DiffusionError: it, or one shortly before it, gave no numbers.
        """
        seen, done = step.latents.sum(), None  # no sampler hides a denoised estimate that is no number
        if seen.is_cuda:
            here = torch.empty((), dtype=seen.dtype, pin_memory=True)
            here.copy_(seen, non_blocking=True)
            seen, done = here, torch.cuda.Event()
            done.record()
        self._waiting.append((step.index, seen, done))
        while self._waiting and (len(self._waiting) > AHEAD or _is_there(self._waiting[0][2])):
            self._check(*self._waiting.popleft())

    def finish(self) -> None:
        """All steps were taken in. Raises as `look`."""
        while self._waiting:
            self._check(*self._waiting.popleft())

    def _check(self, index: int, seen: Tensor, done: torch.cuda.Event | None) -> None:
        if done is not None:
            done.synchronize()
        if not math.isfinite(float(seen)):
            said = (
                f"Step {index + 1} of {len(self._levels) - 1} with the sampler {self._name} gave no numbers"
            )
            if 0.0 in self._levels[:-1]:
                step = self._levels.index(0.0) + 1
                raise DiffusionError(
                    f"{said}: the schedule is at 0 before step {step}, and nothing leads on from there.",
                    "End the schedule at its first 0; to go back to noise, start at 0.0001, as FlipSigmas does.",
                )
            still = next((one for one, other in pairwise(self._levels[: index + 2]) if one == other), None)
            if still is not None:
                raise DiffusionError(
                    f"{said}: the schedule stays at {still:g}.",
                    "Take out the sigma that comes twice, or use euler.",
                )
            raise DiffusionError(
                f"{said} (NaN or infinite).",
                "The model overflows, or is sampled as it was not trained: start Weft with --fp32-unet, look at "
                "what LoRAs and ModelSampling nodes change, or take another sampler or schedule.",
            )


def _numbers(sigmas: Sigmas) -> list[float]:
    return cast("list[float]", cast("Any", sigmas).tolist())


def _is_there(done: torch.cuda.Event | None) -> bool:
    return done is None or done.query()
