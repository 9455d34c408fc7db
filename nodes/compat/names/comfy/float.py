"""`comfy.float`: numbers cast to types of fewer bits, up or down by chance."""

import torch


def stochastic_rounding(value, dtype, seed=0):
    """`value` in `dtype`. For types of 8 bits each number becomes one of its two neighbours, the nearer the likelier."""
    if dtype not in (torch.float8_e4m3fn, torch.float8_e5m2):
        return value.to(dtype)
    generator = torch.Generator(value.device).manual_seed(seed)
    bits, bias = (3, 7) if dtype == torch.float8_e4m3fn else (2, 15)
    wide = value.float()
    exponent = torch.floor(torch.log2(wide.abs().clamp(min=torch.finfo(torch.float32).tiny))).clamp(
        min=1 - bias
    )
    step = torch.exp2(exponent - bits)
    chance = torch.rand(wide.shape, generator=generator, device=wide.device)
    rounded = torch.floor(wide / step + chance) * step
    most = torch.finfo(dtype).max
    return rounded.clamp(-most, most).to(dtype)
