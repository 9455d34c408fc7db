"""Weft's own worker with nodes that fill its card. `weft --factory tests.cuda.card_nodes:build` serves it."""

from dataclasses import dataclass, replace
from typing import Annotated

import torch

from nodes.builtin.kinds import LatentIn, LatentOut
from nodes.spec import Context, Int, Result, node
from server.app import build_worker
from server.worker.parts import Services, WorkerParts

FACTORY = "tests.cuda.card_nodes:build"
MEBIBYTE = 1 << 20
Mebibytes = Annotated[int, Int(minimum=0, maximum=1 << 30)]
Label = Annotated[int, Int(minimum=0, maximum=1 << 30)]  # another one makes it run anew


@dataclass
class Tries:
    """How often `AskCard` was run."""

    count: int = 0


@node("LimitCard")
def limit_card(ctx: Context, *, samples: LatentIn, spare: Mebibytes = 0, label: Label = 0) -> LatentOut:
    """From now on the worker gets no more of the card than it holds, and `spare` beyond."""
    torch.cuda.empty_cache()
    most = torch.cuda.memory_reserved() + spare * MEBIBYTE
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, most / total))
    ctx.resource(Tries).count = 0
    return samples


@node("FreeCard", output=True, idempotent=False)
def free_card(ctx: Context) -> Result:
    """The worker gets all of the card again."""
    torch.cuda.set_per_process_memory_fraction(1.0)
    ctx.resource(Tries).count = 0
    return Result(ui={"text": ["free"]})


@node("AskCard")
def ask_card(ctx: Context, *, samples: LatentIn, size: Mebibytes = 0, label: Label = 0) -> LatentOut:
    """Ask for so much of the card, and write to it."""
    ctx.resource(Tries).count += 1
    torch.empty(size * MEBIBYTE, dtype=torch.uint8, device="cuda").fill_(1)
    return samples


@node("TellCard", output=True, idempotent=False)
def tell_card(ctx: Context, *, samples: LatentIn) -> Result:
    """How often `AskCard` was run, and how many bytes of the card tensors hold."""
    return Result(ui={"tries": [ctx.resource(Tries).count], "allocated": [torch.cuda.memory_allocated()]})


def build(settings: object, services: Services) -> WorkerParts:
    """Furnish a worker with them."""
    parts = build_worker(settings, services)
    for entry in (limit_card, free_card, ask_card, tell_card):
        parts.registry.add(entry)
    return replace(parts, resources={**parts.resources, Tries: Tries()})
