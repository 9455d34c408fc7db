"""Times as vectors, and answers mixed by a share that may be learned."""

import math

import torch
from torch import nn


def timestep_embedding(timesteps, dim, max_period=10000, repeat_only=False):
    """Cosines and sines of times [batch] at `dim / 2` frequencies, [batch dim] (Vaswani et al. 2017, section 3.5)."""
    if repeat_only:
        return timesteps[:, None].expand(-1, dim)
    half = dim // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timesteps.device) / half
    angles = timesteps[:, None].float() * torch.exp(-math.log(max_period) * exponents)[None]
    made = torch.cat([angles.cos(), angles.sin()], dim=-1)
    return torch.cat([made, torch.zeros_like(made[:, :1])], dim=-1) if dim % 2 else made


class AlphaBlender(nn.Module):
    """Two answers mixed: a share `alpha` of the first, fixed or learned.

    Where it is learned with pictures, frames that are pictures by themselves take the first alone.

    Args:
        rearrange_pattern: where a share of each batch and frame goes: "b t -> (b t) 1 1" or "b t -> b 1 t 1 1".
    """

    strategies = ("learned", "fixed", "learned_with_images")

    def __init__(self, alpha, merge_strategy="learned_with_images", rearrange_pattern="b t -> (b t) 1 1"):
        super().__init__()
        if merge_strategy not in self.strategies:
            raise ValueError(f"merge_strategy needs to be in {self.strategies}")
        self.merge_strategy, self.rearrange_pattern = merge_strategy, rearrange_pattern
        factor = torch.Tensor([alpha])
        self.mix_factor: torch.Tensor
        if merge_strategy == "fixed":
            self.register_buffer("mix_factor", factor)
        else:
            self.register_parameter("mix_factor", nn.Parameter(factor))

    def get_alpha(self, image_only_indicator, device) -> torch.Tensor:
        factor = self.mix_factor.to(device)
        if self.merge_strategy == "fixed":
            return factor
        share = torch.sigmoid(factor)
        if self.merge_strategy == "learned" or image_only_indicator is None:
            return share
        pictures = image_only_indicator.to(device).bool()
        each = torch.where(pictures, torch.ones(1, 1, device=device), share[:, None])
        if self.rearrange_pattern.replace(" ", "").endswith("(bt)11"):
            return each.reshape(-1, 1, 1)
        return each[:, None, :, None, None]

    def forward(self, x_spatial, x_temporal, image_only_indicator=None):
        alpha = self.get_alpha(image_only_indicator, x_spatial.device).to(x_spatial.dtype)
        return alpha * x_spatial + (1.0 - alpha) * x_temporal
