"""Token merging: attention asked for fewer places, where places are alike."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.changes import Attend, Attention, NetworkChanges, Place
from nodes.diffusion.guidance.arithmetic import length
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.values import Rule

TWO = 2  # the side of the squares of which one place is a destination


@dataclass(frozen=True, slots=True)
class TokenMerging(Rule):
    """Self-attention asked for fewer places: like ones are averaged before, and get the same answer after (ToMe).

    Source: Bolya and Hoffman 2023 (arXiv:2303.17604), sections 3 and 4, at the full size alone.

    Attributes:
        share: of the places that are merged into others, 0 to 1; three of four can be at most.
    """

    share: float = 0.3

    def inside(self, at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        return NetworkChanges(attention=(self._merged(at.chance),))

    def _merged(self, chance: torch.Generator) -> Callable[[Attention, Attend], Tensor]:
        drawn: dict[
            tuple[Place, int, int], tuple[Tensor, Tensor]
        ] = {}  # all calls of an estimate merge alike

        def change(attention: Attention, attend: Attend) -> Tensor:
            height, width = attention.height, attention.width
            count = attention.queries.shape[1]
            if attention.place.cross or count != height * width or min(height, width) < TWO or not self.share:
                return attend(attention)
            named = (attention.place, height, width)
            if named not in drawn:
                drawn[named] = split(height, width, chance)
            merging = Merging.of(attention.queries, drawn[named], int(count * self.share))
            made = attend(attention.on(merging.joined(attention.queries), attention.keys, attention.values))
            return merging.spread(made)

        return change


@dataclass(frozen=True, slots=True, eq=False)
class Merging:
    """Which places are averaged into which: indices Int[batch, places 1] into sources and destinations.

    Attributes:
        sources, destinations: places of either kind, Int[number], the same in every item.
        merged, kept: sources by their number, those that go and those that stay.
        into: the destination's number of each that goes.
    """

    sources: Tensor
    destinations: Tensor
    merged: Tensor
    kept: Tensor
    into: Tensor

    @classmethod
    def of(cls, tokens: Tensor, apart: tuple[Tensor, Tensor], count: int) -> "Merging":
        """The `count` sources most like a destination are merged.

        Args:
            apart: places that may go, and those that others may go into.
        """
        sources, destinations = (part.to(tokens.device) for part in apart)
        unit = tokens / length(tokens, (-1,))
        likeness = unit[:, sources] @ unit[:, destinations].transpose(1, 2)
        order = torch.argsort(likeness.amax(dim=-1), dim=-1, descending=True)[..., None]
        count = min(count, len(sources))
        merged, kept = order[:, :count], order[:, count:]
        into = torch.gather(torch.argmax(likeness, dim=-1, keepdim=True), 1, merged)
        return cls(sources, destinations, merged, kept, into)

    def joined(self, tokens: Tensor) -> Tensor:
        """Sources that stay, then destinations with what went into them averaged in."""
        width = tokens.shape[-1]
        given, taking = tokens[:, self.sources], tokens[:, self.destinations]
        stays = given.gather(1, self.kept.expand(-1, -1, width))
        goes = given.gather(1, self.merged.expand(-1, -1, width))
        taking = taking.scatter_reduce(1, self.into.expand(-1, -1, width), goes, reduce="mean")
        return torch.cat([stays, taking], dim=1)

    def spread(self, made: Tensor) -> Tensor:
        """Answers at all places again."""
        batch, _, width = made.shape
        stays, taking = made[:, : self.kept.shape[1]], made[:, self.kept.shape[1] :]
        given = made.new_empty(batch, len(self.sources), width)
        given.scatter_(1, self.kept.expand(-1, -1, width), stays)
        given.scatter_(
            1, self.merged.expand(-1, -1, width), taking.gather(1, self.into.expand(-1, -1, width))
        )
        whole = made.new_empty(batch, len(self.sources) + len(self.destinations), width)
        whole[:, self.sources], whole[:, self.destinations] = given, taking
        return whole


def split(height: int, width: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Places that may go, and one of each two by two that others may go into."""
    down, across = height // 2, width // 2
    drawn = torch.randint(4, (down, across), generator=chance)
    rows = torch.arange(down)[:, None] * 2 + drawn // 2
    columns = torch.arange(across)[None] * 2 + drawn % 2
    taken = torch.zeros(height, width, dtype=torch.bool)
    taken[rows, columns] = True
    flat = taken.flatten()
    return (~flat).nonzero()[:, 0], flat.nonzero()[:, 0]
