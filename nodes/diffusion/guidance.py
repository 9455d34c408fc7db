"""Guidance: many conditions, positive and negative, to one denoiser.

Each side's conditions are averaged by weight (strength, mask, area); then one rule joins the sides. Source of the rule
here: Ho and Salimans 2022 (arXiv:2207.12598), eq. 6, on denoised predictions.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.denoiser import ControlNetwork, Network, Residuals, denoised_from, network_input
from nodes.diffusion.values import Area, Cond, Conditioning, ControlNet, ControlUse

TINY = 1e-37
FEATHER = 8  # latents
WIDEST_REPEAT = 4  # contexts are repeated to a common length up to this ratio

FindControl = Callable[[ControlNet], ControlNetwork]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """One condition on one rectangle: what the network is asked, and how much its answer counts there."""

    side: int  # 0 positive, 1 negative
    cond: Cond
    place: tuple[slice, slice]
    weight: Tensor  # Float[batch 1 height width] of the rectangle


@dataclass(slots=True, eq=False)
class Guided:
    """A network steered by conditions; a `Denoiser`.

    Attributes:
        scale: guidance scale; 1 leaves the negative side out.
        controls: finds the loaded network of a control recipe; needed where a condition has controls.
    """

    network: Network
    positive: Conditioning
    negative: Conditioning
    scale: float
    controls: FindControl | None = None
    _hints: dict[tuple[int, int, int], Tensor] = field(default_factory=dict[tuple[int, int, int], Tensor])

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        alone = math.isclose(self.scale, 1.0)
        sides = [self.positive] if alone else [self.positive, self.negative]
        positive, negative = self.sides(latents, sigma, sides)
        if alone:
            return positive
        return negative + (positive - negative) * self.scale

    def sides(self, latents: Tensor, sigma: Tensor, sides: Sequence[Conditioning]) -> tuple[Tensor, Tensor]:
        """The denoised estimate of each side; zeros for a side that has no active condition."""
        level = float(sigma)
        pieces = [
            piece
            for side, conditioning in enumerate(sides)
            for cond in conditioning
            if self._active(cond.start_percent, cond.end_percent, level)
            for piece in [_piece(side, cond, latents)]
        ]
        totals = [torch.zeros_like(latents), torch.zeros_like(latents)]
        weights = [torch.full_like(latents, TINY), torch.full_like(latents, TINY)]
        for group in _groups(pieces):
            for piece, predicted in zip(group, self._ask(group, latents, sigma), strict=True):
                totals[piece.side][(..., *piece.place)] += predicted * piece.weight
                weights[piece.side][(..., *piece.place)] += piece.weight
        return totals[0] / weights[0], totals[1] / weights[1]

    def _ask(self, group: Sequence[_Piece], latents: Tensor, sigma: Tensor) -> Sequence[Tensor]:
        """One call of the network for pieces that fit together; their denoised estimates."""
        noisy = torch.cat([latents[(..., *piece.place)] for piece in group])
        count, batch = len(group), len(latents)
        kind, dtype = self.network.parametrisation, self.network.dtype
        timestep = (
            self.network.levels.timestep(sigma.reshape(1)).float().expand(count * batch).to(noisy.device)
        )
        contexts = _common_length([_for_batch(piece.cond.context, batch) for piece in group])
        context = torch.cat(contexts).to(noisy.device, dtype)
        scaled = network_input(noisy, sigma).to(dtype)
        residuals = self._residuals(group[0].cond.controls, scaled, timestep, context, latents, sigma)
        predicted = self.network(scaled, timestep, context, residuals=residuals).float()
        return denoised_from(kind, noisy, sigma, predicted).chunk(count)

    def _residuals(
        self,
        uses: Sequence[ControlUse],
        scaled: Tensor,
        timestep: Tensor,
        context: Tensor,
        latents: Tensor,
        sigma: Tensor,
    ) -> Residuals | None:
        total: Residuals | None = None
        for use in uses:
            if use.strength == 0.0 or not self._active(use.start_percent, use.end_percent, float(sigma)):
                continue
            if self.controls is None:
                raise ValueError("A condition has a control network, but nothing was given that loads it.")
            hint = _for_batch(self._hint(use, latents), len(scaled)).to(scaled.device, scaled.dtype)
            made = self.controls(use.net)(scaled, timestep, context, hint).scaled(use.strength)
            total = made if total is None else total + made
        return total

    def _hint(self, use: ControlUse, latents: Tensor) -> Tensor:
        height, width = latents.shape[-2:]
        pixels = self.network.latent_format.pixels
        place = (id(use), height, width)
        if place not in self._hints:
            self._hints[place] = fitted_hint(use.hint, width * pixels, height * pixels)
        return self._hints[place]

    def _active(self, start: float, end: float, sigma: float) -> bool:
        levels = self.network.levels
        return levels.at_percent(end) <= sigma <= levels.at_percent(start)


def fitted_hint(hint: Tensor, width: int, height: int) -> Tensor:
    """A hint [B, H, W, 3] at the picture's size as [B, 3, height, width]: cut to its aspect, nearest pixels."""
    planes = hint.movedim(-1, 1)
    old_height, old_width = planes.shape[-2:]
    if old_width / old_height > width / height:
        cut = round((old_width - old_width * (width / height) / (old_width / old_height)) / 2)
        planes = planes[..., cut : old_width - cut]
    elif old_width / old_height < width / height:
        cut = round((old_height - old_height * (old_width / old_height) / (width / height)) / 2)
        planes = planes[..., cut : old_height - cut, :]
    return F.interpolate(planes, (height, width), mode="nearest-exact")


def _piece(side: int, cond: Cond, latents: Tensor) -> _Piece:
    height, width = latents.shape[-2:]
    place = (slice(0, height), slice(0, width)) if cond.area is None else _rectangle(cond.area, height, width)
    rows, columns = place
    weight = latents.new_full(
        (len(latents), 1, rows.stop - rows.start, columns.stop - columns.start), cond.strength
    )
    if cond.mask is not None:
        mask = F.interpolate(cond.mask[:, None].float(), (height, width), mode="bilinear").to(latents)
        weight = weight * _for_batch(mask, len(latents))[..., rows, columns] * cond.mask_strength
    elif cond.area is not None:
        weight = weight * _feathered(weight, rows, columns, height, width)
    return _Piece(side, cond, place, weight)


def _rectangle(area: Area, height: int, width: int) -> tuple[slice, slice]:
    down, across = (height, width) if area.relative else (1, 1)
    tall = max(1, round(area.height * down)) if area.relative else int(area.height)
    wide = max(1, round(area.width * across)) if area.relative else int(area.width)
    top, left = int(round(area.y * down)), int(round(area.x * across))
    return slice(top, min(top + tall, height)), slice(left, min(left + wide, width))


def _feathered(weight: Tensor, rows: slice, columns: slice, height: int, width: int) -> Tensor:
    """A linear rise over the first latents of each side that is not the picture's border."""
    ramp = torch.ones_like(weight)
    for axis, inside, size in ((-2, rows, height), (-1, columns, width)):
        length = inside.stop - inside.start
        rise = min(FEATHER, length // 4)
        for step in range(rise):
            share = (step + 1) / rise
            if inside.start > 0:
                ramp.select(axis, step).mul_(share)
            if inside.stop < size:
                ramp.select(axis, length - 1 - step).mul_(share)
    return ramp


def _groups(pieces: Sequence[_Piece]) -> Sequence[Sequence[_Piece]]:
    """Pieces that one call can answer: rectangles of one size, equal controls, contexts of joinable lengths.

    Within a group the negative side comes first, as the field batches it.
    """
    groups: list[list[_Piece]] = []
    for piece in pieces:
        home = next((group for group in groups if _fits(group[0], piece)), None)
        if home is None:
            groups.append([piece])
        else:
            home.insert(0, piece)
    return groups


def _fits(one: _Piece, other: _Piece) -> bool:
    if one.weight.shape != other.weight.shape or _uses(one.cond) != _uses(other.cond):
        return False
    if one.cond.context.shape[-1] != other.cond.context.shape[-1]:
        return False
    lengths = one.cond.context.shape[1], other.cond.context.shape[1]
    return math.lcm(*lengths) // min(lengths) <= WIDEST_REPEAT


def _uses(cond: Cond) -> tuple[tuple[object, ...], ...]:
    return tuple(
        (use.net, id(use.hint), use.strength, use.start_percent, use.end_percent) for use in cond.controls
    )


def _common_length(contexts: Sequence[Tensor]) -> Sequence[Tensor]:
    """Contexts repeated along tokens to their least common multiple; attention gives the same answer."""
    length = math.lcm(*(context.shape[1] for context in contexts))
    return [context.repeat(1, length // context.shape[1], 1) for context in contexts]


def _for_batch(tensor: Tensor, batch: int) -> Tensor:
    """The first `batch` items, from the start again where there are fewer."""
    if len(tensor) >= batch:
        return tensor[:batch]
    return tensor.repeat(math.ceil(batch / len(tensor)), *[1] * (tensor.ndim - 1))[:batch]
