"""What follows the `?` of long lists: a page, an order, what is wanted. Beside `wire.py`, which reads all else."""

from collections.abc import Mapping

from server.api.assets import ORDERS, Wanted
from server.api.wire import BadRequest, read_count

PAGE = 500  # the most that a page holds, and what it holds if nothing is said


def read_page(query: Mapping[str, str]) -> tuple[int, int]:
    """`limit` (at most `PAGE`) and `offset`.

    Raises:
        BadRequest: one is no number.
    """
    limit = read_count(query, "limit", minimum=1)
    return PAGE if limit is None else min(limit, PAGE), read_count(query, "offset") or 0


def read_wanted_assets(query: Mapping[str, str]) -> Wanted:
    """Read the query of GET /api/assets.

    Raises:
        BadRequest: an unknown order, or a number that is none.
    """
    sort, order = query.get("sort", ORDERS[0]), query.get("order", "desc")
    if sort not in ORDERS or order not in ("asc", "desc"):
        raise BadRequest(f"sort must be one of {', '.join(ORDERS)}, order asc or desc.")
    limit, offset = read_page(query)
    return Wanted(
        include=_words(query, "include_tags"),
        exclude=_words(query, "exclude_tags"),
        text=query.get("name_contains", ""),
        sort=sort,
        ascending=order == "asc",
        limit=limit,
        offset=offset,
    )


def _words(query: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Words by comma."""
    return tuple(word.strip() for word in query.get(name, "").split(",") if word.strip())
