"""What follows the `?` of long lists: a page, an order, what is wanted. Beside `wire.py`, which reads all else."""

from collections.abc import Mapping

from server.api.assets import ORDERS, Wanted
from server.api.wire import BadRequest, read_count
from server.jobs.job import Order, Search, State

PAGE = 500  # the most that a page holds, and what it holds if nothing is said


def read_page(query: Mapping[str, str]) -> tuple[int, int]:
    """`limit` (at most `PAGE`) and `offset`.

    Raises:
        BadRequest: one is no number.
    """
    limit = read_count(query, "limit", minimum=1)
    return PAGE if limit is None else min(limit, PAGE), read_count(query, "offset") or 0


def read_search(query: Mapping[str, str]) -> Search:
    """Read the query of GET /api/jobs.

    Raises:
        BadRequest: an unknown state or order, or a number that is none.
    """
    states = [name.strip() for name in query.get("status", "").split(",") if name.strip()]
    if unknown := [name for name in states if name not in set(State)]:
        raise BadRequest(f"Unknown status {', '.join(unknown)}. Known: {', '.join(State)}.")
    order, way = query.get("sort_by", Order.CREATED), query.get("sort_order", "desc").lower()
    if order not in set(Order) or way not in ("asc", "desc"):
        raise BadRequest(f"sort_by must be one of {', '.join(Order)}, sort_order asc or desc.")
    return Search(
        states=tuple(State(name) for name in states) or tuple(State),
        workflow=query.get("workflow_id") or None,
        order=Order(order),
        ascending=way == "asc",
        limit=read_count(query, "limit", minimum=1),
        offset=read_count(query, "offset") or 0,
        brief=True,
    )


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
