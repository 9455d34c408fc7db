"""Schedules by the field's names of functions: noise levels of a model to sigmas [steps + 1]."""

from types import SimpleNamespace
from typing import Any

from nodes.compat.surgery.model_sampling import GivenLevels
from nodes.diffusion.schedules import SCHEDULES
from nodes.diffusion.schedules import beta as beta_schedule


def levels_of(model_sampling):
    found = getattr(model_sampling, "levels", None)
    if found is None and hasattr(model_sampling, "percent_to_sigma"):
        return GivenLevels(model_sampling)
    return model_sampling if found is None else found


def beta_scheduler(model_sampling, steps, alpha=0.6, beta=0.6):
    return beta_schedule(levels_of(model_sampling), steps, alpha, beta)


def normal_scheduler(model_sampling, steps, sgm=False, floor=False):
    return SCHEDULES["sgm_uniform" if sgm else "normal"](levels_of(model_sampling), steps)


def simple_scheduler(model_sampling, steps):
    return SCHEDULES["simple"](levels_of(model_sampling), steps)


def ddim_scheduler(model_sampling, steps):
    return SCHEDULES["ddim_uniform"](levels_of(model_sampling), steps)


def linear_quadratic_schedule(model_sampling, steps):
    return SCHEDULES["linear_quadratic"](levels_of(model_sampling), steps)


def kl_optimal_scheduler(n, sigma_min, sigma_max):
    """Between two sigmas, then 0."""
    levels: Any = SimpleNamespace(minimum=float(sigma_min), maximum=float(sigma_max))
    return SCHEDULES["kl_optimal"](levels, n)
