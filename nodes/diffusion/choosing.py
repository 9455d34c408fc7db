"""From what a person asks for and what the machine has to a pool."""

from dataclasses import dataclass
from typing import Any, cast

import torch

from nodes.diffusion.house import Current
from nodes.diffusion.memory.budget import GIGABYTE, Budget, Mode
from nodes.diffusion.memory.foresight import Foresight
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool

FOR_COMPUTING = 5  # a fifth of a device, where nobody says how much computing takes


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person asks for; None leaves it to the machine. Bytes.

    Attributes:
        device, host, reading: as `Budget`.
        reserve: of a card, left to others.
        mode: by the name that `Mode` has for it.
        pinned: whether main memory may be locked.
    """

    device: int | None = None
    host: int | None = None
    reading: int | None = None
    reserve: int | None = None
    mode: str = Mode.AUTO.value
    pinned: bool = True


def chosen_budget(device: torch.device, wishes: Wishes, memory: tuple[int, int]) -> Budget:
    """What may be used.

    Args:
        memory: of the machine, in all and free.
    """
    total, free = memory
    card = _card(device) if device.type == "cuda" else None
    if card is None:
        whole, keep = wishes.device, max(GIGABYTE, total // 2)
        host = wishes.host
    else:
        whole = max(0, card - (wishes.reserve or 0)) if wishes.device is None else min(card, wishes.device)
        keep = max(0, card - (card // FOR_COMPUTING if wishes.reserve is None else wishes.reserve))
        host = free // 2 if wishes.host is None else wishes.host
    keep = keep if whole is None else min(keep, whole)
    computing = 0 if whole is None else whole // FOR_COMPUTING
    return Budget(keep, whole, host, wishes.reading, computing, Mode(wishes.mode), wishes.pinned)


def chosen_pool(
    placement: Placement, wishes: Wishes, memory: tuple[int, int], current: Current | None = None
) -> Pool:
    """A pool on a device; a processor that was given a budget of its own counts what it computes with, and keeps to it."""
    budget = chosen_budget(placement.device, wishes, memory)
    counted = placement.device.type == "cpu" and budget.device is not None
    return Pool(placement, budget, Meter(budget.device) if counted else None, current)


def chosen_foresight(pool: Pool, memory: tuple[int, int]) -> Foresight:
    """What says what work will need: of the device's budget, or of the machine's memory where that is the device."""
    budget = pool.house.budget
    total, _ = memory
    return Foresight(pool.placement, budget, budget.device if budget.device is not None else total or None)


def _card(device: torch.device) -> int:
    """Bytes of a card."""
    return int(cast("Any", torch.cuda).get_device_properties(device).total_memory)
