"""What can be wrong with a run, told before it starts or at the step where it shows."""

import math
from itertools import pairwise

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.sampling.choice import SamplerChoice
from nodes.diffusion.sampling.sampler import Sampler
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.values import Sigmas


def check_sigmas(sigmas: Sigmas, sampler: Sampler, choice: SamplerChoice) -> None:
    """Whether a sampler can go through these sigmas.

    Raises:
        DiffusionError: they are no noise levels, or rise for a sampler that can only go down.
    """
    levels = [float(sigma) for sigma in sigmas]
    wrong = next((level for level in levels if not 0.0 <= level < math.inf), None)
    if wrong is not None:
        raise DiffusionError(
            f"The schedule holds {wrong}, which is no noise level.",
            "Sigmas are numbers from 0 up: correct the schedule.",
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


def check_step(step: Step, name: str, total: int) -> None:
    """Whether a step gave numbers.

    Raises:
        DiffusionError: it did not.
    """
    if not (math.isfinite(float(step.latents.sum())) and math.isfinite(float(step.denoised.sum()))):
        raise DiffusionError(
            f"Step {step.index + 1} of {total} with the sampler {name} gave no numbers (NaN or infinite).",
            "The model overflows, or is sampled as it was not trained: start Weft with --fp32-unet, look at "
            "what LoRAs and ModelSampling nodes change, or take another sampler or schedule.",
        )
