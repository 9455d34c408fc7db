"""`comfy.samplers`: the lists of names. Packs append to them, so they are one list each, read at call time."""

import sys
from typing import Any, NamedTuple

from nodes.compat.standing import complete
from nodes.diffusion.sampling.table import SAMPLERS
from nodes.diffusion.schedules import SCHEDULES
from nodes.diffusion.schedules import beta as beta_schedule

SAMPLER_NAMES = list(SAMPLERS)
KSAMPLER_NAMES = [name for name in SAMPLER_NAMES if name not in ("ddim", "uni_pc", "uni_pc_bh2")]
SCHEDULER_NAMES = list(SCHEDULES)


class SchedulerHandler(NamedTuple):
    handler: Any
    use_ms: bool = True


SCHEDULER_HANDLERS = {name: SchedulerHandler(function) for name, function in SCHEDULES.items()}


def _levels(model_sampling):
    return getattr(model_sampling, "levels", model_sampling)


def calculate_sigmas(model_sampling, scheduler_name, steps):
    """The sigmas of a schedule by name, [steps + 1], falling to 0."""
    handler = SCHEDULER_HANDLERS.get(scheduler_name)
    if handler is None:
        raise ValueError(f"invalid scheduler {scheduler_name}")
    levels = _levels(model_sampling)
    if handler.handler is SCHEDULES.get(scheduler_name):
        return handler.handler(levels, steps)
    if handler.use_ms:
        return handler.handler(model_sampling, steps)
    return handler.handler(n=steps, sigma_min=levels.minimum, sigma_max=levels.maximum)


def beta_scheduler(model_sampling, steps, alpha=0.6, beta=0.6):
    return beta_schedule(_levels(model_sampling), steps, alpha, beta)


complete("comfy.samplers", sys.modules[__name__])
KSampler = globals()["KSampler"]
KSampler.SAMPLERS, KSampler.SCHEDULERS = SAMPLER_NAMES, SCHEDULER_NAMES
KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS = {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"}
