"""`comfy.ldm.modules.diffusionmodules.util`: times as vectors."""

import math

import torch


def timestep_embedding(timesteps, dim, max_period=10000, repeat_only=False):
    """Cosines and sines of times [batch] at `dim / 2` frequencies, [batch dim] (Vaswani et al. 2017, section 3.5)."""
    if repeat_only:
        return timesteps[:, None].expand(-1, dim)
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(max_period) * exponents)[None]
    made = torch.cat([angles.cos(), angles.sin()], dim=-1)
    return torch.cat([made, torch.zeros_like(made[:, :1])], dim=-1) if dim % 2 else made


def zero_module(module):
    for weight in module.parameters():
        weight.detach().zero_()
    return module
