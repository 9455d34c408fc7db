"""Where pictures to refer to are placed beside the one that is made, in tokens.

Source: Black Forest Labs 2025 (FLUX.1 Kontext, arXiv:2506.15742), section 3; Wu et al. 2025 (UNO, arXiv:2504.02160),
section 3.2, for "uxo".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nodes.diffusion.errors import DiffusionError

OFFSET, INDEX, DIAGONAL, CLEAN = "offset", "index", "uxo", "index_timestep_zero"
Size = tuple[int, int]  # rows and columns of tokens


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a picture's tokens begin: which picture it is, and its first row and column."""

    picture: int
    row: int = 0
    column: int = 0


def spots(method: str, made: Size, shown: Sequence[Size], family: str) -> Sequence[Spot]:
    """The places of pictures to refer to.

    Args:
        method: "offset": all are picture 1, each beside those before it, on the side that keeps the whole squarer;
            "index": picture 1, 2 and so on; "uxo": picture 0, each at the lower right corner of the picture that is made
            and of those before it; "index_timestep_zero": as "index" (what else it says is the family's business).
        made: the size of the picture that is made.
        family: as people call it, for the error.

    Raises:
        DiffusionError: the family does not know the method.
    """
    match method:
        case "offset":
            return _beside(shown)
        case "index" | "index_timestep_zero":
            return [Spot(number + 1) for number in range(len(shown))]
        case "uxo":
            return _diagonal(made, shown)
        case _:
            raise unknown(method, family, (OFFSET, INDEX, DIAGONAL, CLEAN))


def unknown(method: str, family: str, known: Sequence[str]) -> DiffusionError:
    """The error that a family does not place pictures so."""
    return DiffusionError(
        f"{family} cannot place pictures to refer to by the method {method!r}.",
        f"Choose {' or '.join(known)} in the node Edit Model Reference Method, or leave the node out.",
    )


def _beside(shown: Sequence[Size]) -> Sequence[Spot]:
    found: list[Spot] = []
    high, wide = 0, 0
    for rows, columns in shown:
        right = rows + high > columns + wide
        found.append(Spot(1, 0, wide) if right else Spot(1, high, 0))
        high, wide = max(high, found[-1].row + rows), max(wide, found[-1].column + columns)
    return found


def _diagonal(made: Size, shown: Sequence[Size]) -> Sequence[Spot]:
    found: list[Spot] = []
    row, column = made
    for rows, columns in shown:
        found.append(Spot(0, row, column))
        row, column = row + rows, column + columns
    return found
