"""`comfy.ldm.lightricks.model`: places as rotations."""

import torch


def apply_rotary_emb(input_tensor, freqs_cis):
    """Pairs of neighbours turned; `freqs_cis`: cosines and sines of the input's width."""
    cos, sin = freqs_cis[0], freqs_cis[1]
    first, second = input_tensor.unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((-second, first), dim=-1).flatten(-2)
    return input_tensor * cos + turned * sin
