"""Rules that work on a network's attention: cheaper by tiles, or led away from a negative prompt."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nodes.diffusion.changes import Attend, Attention, Away, NetworkChanges, Place
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.values import Conditioning, Rule

POSITIVE = 0
SMALL = 1e-8


@dataclass(frozen=True, slots=True)
class HyperTile(Rule):
    """Self-attention within tiles of the picture, which large pictures need far less time for.

    Tile sizes are drawn anew for each attention, so that no seams stay; they come from the run's seed, and so repeat.
    Source: tfernd 2023, "HyperTile". As in the field, keys and values are cut as they lie, not by tiles.

    Attributes:
        tile: side of a tile in latents, at the full size.
        choices: of how many sizes one is drawn.
        depth: how many halvings of the latents are tiled still; `grows`: tiles are that much larger there.
    """

    tile: int = 32
    choices: int = 2
    depth: int = 0
    grows: bool = False

    def inside(self, at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        return NetworkChanges(attention=(self._tiled(at.chance),))

    def _tiled(self, chance: torch.Generator) -> Callable[[Attention, Attend], Tensor]:
        drawn: dict[tuple[Place, int, int], tuple[int, int]] = {}  # all calls of an estimate are tiled alike

        def change(attention: Attention, attend: Attend) -> Tensor:
            batch, count, width = attention.queries.shape
            area, aspect = attention.height * attention.width, attention.width / attention.height
            level = next(
                (halvings for halvings in range(self.depth + 1) if count * 4**halvings == area), None
            )
            rows, columns = round(math.sqrt(count * aspect)), round(math.sqrt(count / aspect))
            if attention.place.cross or level is None or rows * columns != count:
                return attend(attention)
            size = self.tile * 2**level if self.grows else self.tile
            named = (attention.place, rows, columns)
            if named not in drawn:
                drawn[named] = self._count(rows, size, chance), self._count(columns, size, chance)
            down, across = drawn[named]
            if down * across == 1:
                return attend(attention)
            grid = attention.queries.view(batch, down, rows // down, across, columns // across, width)
            tiles = grid.transpose(2, 3).reshape(batch * down * across, -1, width)
            runs = [
                tokens.reshape(batch * down * across, -1, tokens.shape[-1])
                for tokens in (attention.keys, attention.values)
            ]
            made = attend(attention.on(tiles, *runs))
            back = made.view(batch, down, across, rows // down, columns // across, -1)
            return back.transpose(2, 3).reshape(batch, count, -1)

        return change

    def _count(self, side: int, size: int, chance: torch.Generator) -> int:
        """Into how many tiles a side is cut."""
        least = min(size, side)
        sizes = [number for number in range(least, side + 1) if side % number == 0][: self.choices]
        counts = [side // number for number in sizes]
        drawn = int(torch.randint(0, len(counts) - 1, (1,), generator=chance)) if len(counts) > 1 else 0
        return counts[drawn]


@dataclass(frozen=True, slots=True)
class NormalisedAttention(Rule):
    """Attention of the positive side, led away from what it would be for negative conditions (NAG).

    It steers models that are run without guidance. In a U-Net that is the attention that reads the text, which needs no
    second call; in a transformer, where text and picture see each other, the negative text runs along, and the picture
    gets the same of both.
    Source: Chen et al. 2025 (arXiv:2505.21179), eqs. 7 to 10.

    Attributes:
        away: what to lead away from; its first condition counts.
        scale: how far; `longest`: the greatest length, in lengths of the positive side's; `share`: of the result.
    """

    away: Conditioning
    scale: float = 5.0
    longest: float = 2.5
    share: float = 0.25

    def inside(self, _at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        if not self.away or self.scale == 1.0:
            return NetworkChanges()
        first = self.away[0]
        mask, layers = (first.extra.get(name) for name in ("attention_mask", "conditioning_llama3"))
        away = Away(
            first.context,
            self._normalised,
            mask if isinstance(mask, Tensor) else None,
            layers if isinstance(layers, Tensor) else None,
        )
        return NetworkChanges(attention=(self._led,), away=away)

    def _led(self, attention: Attention, attend: Attend) -> Tensor:
        sides = attention.sides or (POSITIVE,)
        if not attention.place.cross or POSITIVE not in sides:
            return attend(attention)
        mixed = attention.mixed()
        context = self.away[0].context.to(attention.keys)
        context = context[:1].expand(len(mixed), -1, -1)
        negative = attention.on(attention.queries, context, context).mixed()
        led = self._normalised(mixed, negative)
        part = len(mixed) // len(sides)
        chosen = torch.tensor(sides, device=mixed.device).repeat_interleave(part) == POSITIVE
        return attention.out(torch.where(chosen[:, None, None], led, mixed))

    def _normalised(self, positive: Tensor, negative: Tensor) -> Tensor:
        led = positive * self.scale - negative * (self.scale - 1.0)
        before, after = (part.abs().sum(dim=-1, keepdim=True).clamp(min=SMALL) for part in (positive, led))
        ratio = after / before
        led = led * (ratio.clamp(max=self.longest) / ratio)
        return led * self.share + positive * (1.0 - self.share)
