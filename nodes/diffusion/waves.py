"""Numbers as waves of many lengths, as networks read timesteps and sizes."""

import math

import torch
from torch import Tensor

PERIOD = 10000.0


def numbers_embedding(numbers: Tensor, width: int = 256) -> Tensor:
    """Numbers as waves of many lengths, Float[batch number * width]; cosines first.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5, in the form of Ho et al. 2020 (arXiv:2006.11239).

    Args:
        numbers: Float[batch number].
    """
    half = width // 2
    steps = torch.arange(half, dtype=torch.float32, device=numbers.device)
    angles = numbers.float()[..., None] * torch.exp(-math.log(PERIOD) * steps / half)
    return torch.cat((angles.cos(), angles.sin()), -1).flatten(1)
