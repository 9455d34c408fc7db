"""`comfy.ldm.modules.diffusionmodules.util`: times as vectors, answers mixed, schedules of betas."""

import math

import torch

from nodes.compat.unets.times import AlphaBlender, timestep_embedding

__all__ = ["AlphaBlender", "timestep_embedding"]


def zero_module(module):
    for weight in module.parameters():
        weight.detach().zero_()
    return module


def make_beta_schedule(schedule, n_timestep, linear_start=1e-4, linear_end=2e-2, cosine_s=8e-3):
    """Betas of a schedule, [n_timestep] in double precision.

    Source: Nichol and Dhariwal 2021 (arXiv:2102.09672), eq. 17, for "cosine".
    """
    if schedule == "linear":
        return torch.linspace(linear_start**0.5, linear_end**0.5, n_timestep, dtype=torch.float64) ** 2
    if schedule == "cosine":
        times = torch.arange(n_timestep + 1, dtype=torch.float64) / n_timestep + cosine_s
        kept = torch.cos(times / (1 + cosine_s) * math.pi / 2) ** 2
        return (1 - kept[1:] / kept[:-1]).clamp(0, 0.999)
    if schedule in ("sqrt_linear", "sqrt"):
        made = torch.linspace(linear_start, linear_end, n_timestep, dtype=torch.float64)
        return made if schedule == "sqrt_linear" else made**0.5
    raise ValueError(f"schedule '{schedule}' unknown.")
