"""Tables of names: where the tensors of a family's class lie in files of the original layout.

A line names modules; its tensors ("weight", "bias") go by the same ending in both layouts. `{}` stands for a block's number.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.changes import Positions
from nodes.diffusion.models.family import Place, Shapes

ENDINGS = (("weight", "weight"), ("bias", "bias"), ("scale", "weight"))  # in the file, in the network


@dataclass(frozen=True, slots=True)
class Line:
    """One module of the file: one of the network, or several that share its rows.

    Attributes:
        theirs: its name in the file.
        ours: in the network, in the order of rows.
        shares: how many rows each has, in proportion; empty: as many each.
        swapped: the halves of rows change places: of every block (True), or of the last block alone ("last").
        bare: it is a tensor, not a module with tensors.
        flat: a matrix in the network, with further axes of 1 in the file.
    """

    theirs: str
    ours: tuple[str, ...]
    shares: tuple[int, ...] = ()
    swapped: bool | str = False
    bare: bool = False
    flat: bool = False


def line(theirs: str, *ours: str, swapped: bool | str = False, bare: bool = False) -> Line:
    """A line whose modules of ours have equal shares."""
    return Line(theirs, ours, swapped=swapped, bare=bare)


def split(theirs: str, *ours: tuple[str, int]) -> Line:
    """A line whose modules of ours have the shares that are given with them."""
    return Line(theirs, tuple(name for name, _ in ours), tuple(share for _, share in ours))


def qkv(theirs: str, block: str, queries: str = "to_q", keys: str = "to_k", values: str = "to_v") -> Line:
    """Queries, keys and values in one."""
    return Line(theirs, tuple(f"{block}.{name}" for name in (queries, keys, values)))


def places_in_file(lines: Sequence[Line], shapes: Shapes) -> list[Place]:
    """The places of tensors that a file has, by its own shapes."""
    found: list[Place] = []
    for one, number, last in _numbered(lines, shapes, theirs=True):
        for ending, ours_ending in _endings(one):
            theirs = _named(one.theirs, number, ending)
            if theirs not in shapes:
                continue
            rows, shares = shapes[theirs][0], one.shares or (1,) * len(one.ours)
            start = 0
            for name, share in zip(one.ours, shares, strict=True):
                count = rows * share // sum(shares)
                part = (start, count) if len(one.ours) > 1 else None
                found.append(
                    Place(_named(name, number, ours_ending), theirs, part, _is_swapped(one, last), one.flat)
                )
                start += count
    return found


def places_in_network(lines: Sequence[Line], shapes: Shapes) -> list[Place]:
    """The same places from the shapes of the network."""
    found: list[Place] = []
    for one, number, last in _numbered(lines, shapes, theirs=False):
        for ending, ours_ending in _endings(one):
            names = [_named(name, number, ours_ending) for name in one.ours]
            if not all(name in shapes for name in names) or (ending == "scale") != one.theirs.endswith(
                "_norm"
            ):
                continue
            start = 0
            for name in names:
                count = shapes[name][0]
                part = (start, count) if len(names) > 1 else None
                theirs = _named(one.theirs, number, ending)
                found.append(Place(name, theirs, part, _is_swapped(one, last), one.flat))
                start += count
    return found


def count(shapes: Shapes, before: str) -> int:
    """How many numbered blocks there are whose names begin so ("joint_blocks.")."""
    pattern = re.compile(rf"{re.escape(before)}(\d+)\.")
    return 1 + max((int(hit.group(1)) for name in shapes if (hit := pattern.match(name))), default=-1)


def padded(latents: Tensor, patch: int) -> Tensor:
    """Latents [batch channel height width] whose sides are whole patches: they go on at the end as they begin."""
    height, width = latents.shape[-2:]
    down, right = -height % patch, -width % patch
    return F.pad(latents, (0, right, 0, down), mode="circular") if down or right else latents


def seen_at(seen: Positions | None, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where a rotary embedding sees rows and columns: the n-th at n, or as nodes have set it."""
    rows, columns = torch.arange(height).float(), torch.arange(width).float()
    if seen is None:
        return rows, columns
    return seen.shift_y + rows * seen.scale_y, seen.shift_x + columns * seen.scale_x


def turned(places: Tensor, axes: Sequence[int], theta: float) -> Tensor:
    """Rotary embeddings of places that need not be whole numbers, Complex[... sum(axes)/2].

    Args:
        places: on each axis, Float[... axis].
        axes: features of each axis.
    Source: Su et al. 2021 (RoFormer, arXiv:2104.09864), eq. 15.
    """
    parts: list[Tensor] = []
    for number, width in enumerate(axes):
        steps = torch.arange(0, width, 2, dtype=torch.float64, device=places.device) / width
        angles = places[..., number, None].double() * theta**-steps
        parts.append(torch.polar(torch.ones_like(angles), angles))
    return torch.cat(parts, -1).to(torch.complex64)


def moved(ids: Tensor, of_picture: Tensor, seen: Positions) -> Tensor:
    """Places of tokens, Float[... axis], those of the picture as nodes have set them: rows and columns are the last axes.

    Args:
        of_picture: which tokens are, Bool[...].
    """
    places = ids.double().clone()
    for axis, scale, shift in ((-2, seen.scale_y, seen.shift_y), (-1, seen.scale_x, seen.shift_x)):
        places[..., axis] = torch.where(of_picture, shift + places[..., axis] * scale, places[..., axis])
    return places


def _numbered(
    lines: Sequence[Line], shapes: Shapes, *, theirs: bool
) -> Iterator[tuple[Line, int | None, bool]]:
    counts: dict[str, int] = {}
    for one in lines:
        name = one.theirs if theirs else one.ours[0]
        if "{}" not in name:
            yield one, None, False
            continue
        before = name.partition("{}")[0]
        if before not in counts:
            counts[before] = count(shapes, before)
        for number in range(counts[before]):
            yield one, number, number == counts[before] - 1


def _endings(one: Line) -> Sequence[tuple[str, str]]:
    return (("", ""),) if one.bare else ENDINGS


def _named(module: str, number: int | None, ending: str) -> str:
    name = module if number is None else module.format(number)
    return f"{name}.{ending}" if ending else name


def _is_swapped(one: Line, last: bool) -> bool:
    return last if one.swapped == "last" else bool(one.swapped)
