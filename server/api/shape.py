"""What a route takes and answers, said beside it: `@ROUTES.get("/queue", shape=Shape(answer=QueueJson))`.

`/openapi.json` is made of these, so a route without one fails a test.
"""

from dataclasses import dataclass

JSON = "application/json"
ANYTHING = "*/*"  # files, of whatever kind they are
FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One route's shapes, as type hints: TypedDicts, lists and unions of them.

    Attributes:
        answer: of the good answer's body; `bytes` for what is no JSON, None for an empty body.
        media: the good answer's kind.
        status: the good answer's number.
        also: numbers of other good answers of the same shape.
        query: a TypedDict of what may follow the `?`.
        body: of what is sent; None if nothing is. `bytes` is any body at all.
        body_media: what kind the body is.
        body_optional: the body may be missing.
        error: of the answer to what cannot be done, where it is not the usual one.
        paths: hints of the path's variables that are no mere text, such as `Literal["input", "output"]`.
    """

    answer: object = None
    media: str = JSON
    status: int = 200
    also: tuple[int, ...] = ()
    query: type | None = None
    body: object = None
    body_media: str = JSON
    body_optional: bool = False
    error: object = None
    paths: tuple[tuple[str, object], ...] = ()
