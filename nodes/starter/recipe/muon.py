"""Muon for weights of two or more dimensions, Adam for the rest.

Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalised(matrix: Tensor, rounds: int = 5) -> Tensor:
    """The nearest matrix with singular values near 1, by quintic Newton-Schulz steps in bfloat16; shape (out, in)."""
    a, b, c = _COEFFICIENTS
    tall = matrix.size(0) > matrix.size(1)
    iterate = (matrix.T if tall else matrix).bfloat16()
    iterate = iterate / (iterate.norm() + 1e-7)
    for _ in range(rounds):
        gram = iterate @ iterate.T
        iterate = a * iterate + (b * gram + c * (gram @ gram)) @ iterate
    return (iterate.T if tall else iterate).float()


class Muon:
    """Orthogonalised momentum for matrices and convolutions (flattened to out x rest), Adam for everything else.

    Args:
        named: parameters with their names.
        rate: Muon's learning rate; the update is scaled by 0.2 sqrt(longer side), as Adam's would be.
        adam_rate: Adam's learning rate.
        adam_names: parameters whose name has one of these parts go to Adam whatever their shape.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        rate: float,
        adam_rate: float,
        adam_names: tuple[str, ...],
        momentum: float = 0.95,
    ) -> None:
        trained = [(name, weight) for name, weight in named if weight.requires_grad]
        self._muon = [w for n, w in trained if w.ndim >= 2 and not any(part in n for part in adam_names)]
        others = {id(weight) for weight in self._muon}
        self._rest = [weight for _, weight in trained if id(weight) not in others]
        self._velocity = [torch.zeros_like(weight) for weight in self._muon]
        self._adam = torch.optim.AdamW(self._rest, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self._rate, self._adam_rate, self._momentum = rate, adam_rate, momentum

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Change the weights by their gradients, with both learning rates times `factor`; forgets the gradients."""
        for weight, velocity in zip(self._muon, self._velocity, strict=True):
            if weight.grad is None:
                continue
            velocity.lerp_(weight.grad, 1 - self._momentum)
            direction = orthogonalised(weight.grad.lerp(velocity, self._momentum).flatten(1))
            scale = 0.2 * max(direction.shape) ** 0.5
            weight.add_(direction.reshape(weight.shape), alpha=-self._rate * factor * scale)
        for group in self._adam.param_groups:
            group["lr"] = self._adam_rate * factor
        self._adam.step()
        for weight in (*self._muon, *self._rest):
            weight.grad = None

    def state_dict(self) -> dict[str, Any]:
        """Everything a later run needs to go on exactly."""
        return {"velocity": self._velocity, "adam": self._adam.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        state = state_dict
        for mine, theirs in zip(self._velocity, state["velocity"], strict=True):
            mine.copy_(theirs)
        self._adam.load_state_dict(state["adam"])
