"""`comfy.samplers`: the lists of names. Packs append to them, so they are one list each, read at call time."""

import sys
from typing import NamedTuple

from nodes.compat.standing import complete
from nodes.diffusion.sampling.table import SAMPLERS
from nodes.diffusion.schedules import SCHEDULES

SAMPLER_NAMES = list(SAMPLERS)
KSAMPLER_NAMES = [name for name in SAMPLER_NAMES if name not in ("ddim", "uni_pc", "uni_pc_bh2")]
SCHEDULER_NAMES = list(SCHEDULES)


class SchedulerHandler(NamedTuple):
    handler: object
    use_ms: bool = True


SCHEDULER_HANDLERS = {name: SchedulerHandler(function) for name, function in SCHEDULES.items()}

complete("comfy.samplers", sys.modules[__name__])
KSampler = globals()["KSampler"]
KSampler.SAMPLERS, KSampler.SCHEDULERS = SAMPLER_NAMES, SCHEDULER_NAMES
KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS = {"dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"}
