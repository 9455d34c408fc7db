"""A small drawing of a workflow: its nodes as boxes, its links as lines. Workflows without a picture are shown so."""

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, cast

from PIL import Image, ImageDraw

from nodes.spec import Json

SIZE = (480, 320)  # pixels
MARGIN = 16
DARK = (
    (32, 34, 38),
    (58, 62, 70),
    (96, 102, 114),
    (88, 130, 190),
    (150, 158, 172),
)  # paper, box, edge, title, link
LIGHT = ((241, 240, 236), (255, 255, 255), (190, 188, 180), (120, 150, 196), (128, 130, 136))
Area: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom


def drawn(workflow: Mapping[str, Json], *, light: bool = False) -> bytes:
    """The drawing as WebP, for a dark page or a light one. Nodes without a place are left out."""
    boxes = dict(_boxes(workflow))
    paper, box, edge, title, line = LIGHT if light else DARK
    picture = Image.new("RGB", SIZE, paper)
    if boxes:
        draw = ImageDraw.Draw(picture)
        placed = _fitted(boxes)
        for origin, target in _links(workflow):
            if origin in placed and target in placed:
                draw.line((*_side(placed[origin], right=True), *_side(placed[target], right=False)), line, 2)
        for left, top, right, bottom in placed.values():
            draw.rounded_rectangle((left, top, right, bottom), 4, box, edge)
            draw.rounded_rectangle((left, top, right, min(bottom, top + 7)), 3, title)
    out = io.BytesIO()
    picture.save(out, format="WEBP", quality=90)
    return out.getvalue()


def _boxes(workflow: Mapping[str, Json]) -> Iterator[tuple[Json, Area]]:
    for node in _rows(workflow.get("nodes")):
        if isinstance(node, Mapping):
            place, size = _pair(node.get("pos")), _pair(node.get("size"))
            if place and size:
                yield node.get("id"), (place[0], place[1], place[0] + size[0], place[1] + size[1])


def _links(workflow: Mapping[str, Json]) -> Iterator[tuple[Json, Json]]:
    """The nodes at both ends; a link is `[id, from, slot, to, slot, type]`."""
    for link in _rows(workflow.get("links")):
        if isinstance(link, Sequence) and not isinstance(link, str) and len(link) >= 4:
            yield link[1], link[3]


def _fitted(boxes: Mapping[Json, Area]) -> dict[Json, Area]:
    """The boxes, brought to the size of the picture."""
    left, top = min(box[0] for box in boxes.values()), min(box[1] for box in boxes.values())
    right, bottom = max(box[2] for box in boxes.values()), max(box[3] for box in boxes.values())
    scale = min(
        (SIZE[0] - 2 * MARGIN) / max(right - left, 1), (SIZE[1] - 2 * MARGIN) / max(bottom - top, 1), 1
    )
    x = (SIZE[0] - (right - left) * scale) / 2 - left * scale
    y = (SIZE[1] - (bottom - top) * scale) / 2 - top * scale
    return {
        id: (
            a * scale + x,
            b * scale + y,
            max(c * scale, a * scale + 2) + x,
            max(d * scale, b * scale + 2) + y,
        )
        for id, (a, b, c, d) in boxes.items()
    }


def _side(box: Area, *, right: bool) -> tuple[float, float]:
    return box[2] if right else box[0], (box[1] + box[3]) / 2


def _rows(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _pair(value: Json) -> tuple[float, float] | None:
    """Two numbers, as a list or (older files) as an object of "0" and "1"."""
    both = [value.get("0"), value.get("1")] if isinstance(value, Mapping) else list(_rows(value))[:2]
    numbers = [number for number in both if isinstance(number, int | float) and abs(number) < 1e9]
    return cast("tuple[float, float]", tuple(numbers)) if len(numbers) == 2 else None
