"""Solids: what a grid of values is inside of, as triangles, and triangles as a file.

Sources: Gibson 1998, "Constrained elastic surface nets" (one vertex in every cell that the surface crosses); Khronos,
glTF 2.0, section 4.4 (binary files).
"""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

Grid = Float[Tensor, "depth height width"]
GLTF, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
SINGLE, WHOLE = 5126, 5125  # types of numbers in these files: float32, uint32
POINTS, TRIANGLES = 34962, 34963


@dataclass(frozen=True, slots=True, eq=False)
class Voxel:
    """Grids of values: Float[batch depth height width]."""

    data: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles of each solid of a batch.

    Attributes:
        vertices: Float32[vertex 3] of each: x, y, z in about -1..1.
        faces: Int64[face 3] of each: three vertices, anticlockwise from outside.
    """

    vertices: tuple[Tensor, ...]
    faces: tuple[Tensor, ...]


Solid = tuple[Float[Tensor, "vertices 3"], Int[Tensor, "faces 3"]]

# The corners of each side of a cube, in the order in which they go round it from outside: depth, height, width.
SIDES = {
    (-1, 0, 0): ((0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1)),
    (1, 0, 0): ((1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0)),
    (0, -1, 0): ((0, 0, 0), (0, 0, 1), (1, 0, 1), (1, 0, 0)),
    (0, 1, 0): ((0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)),
    (0, 0, -1): ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)),
    (0, 0, 1): ((0, 0, 1), (0, 1, 1), (1, 1, 1), (1, 0, 1)),
}


def cubes(grid: Grid, threshold: float) -> Solid:
    """A cube for every value above the threshold, less the sides that two share; a solid of nothing is one point."""
    solid = torch.nn.functional.pad(grid > threshold, (1, 1, 1, 1, 1, 1))
    corners: list[Tensor] = []
    for step, side in SIDES.items():
        open_here = solid & ~solid.roll(tuple(-way for way in step), (0, 1, 2))
        places = open_here.nonzero() - 1
        corners.append(places[:, None] + torch.tensor(side))
    quads = torch.cat(corners).float()
    if not len(quads):
        return torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.int64)
    first = torch.arange(len(quads))[:, None] * 4
    faces = torch.cat((first + torch.tensor([0, 1, 2]), first + torch.tensor([0, 2, 3])), 1).reshape(-1, 3)
    return _centred(quads.reshape(-1, 3), grid), faces


def surface_net(grid: Grid, threshold: float) -> Solid:
    """A smooth surface where values cross the threshold; outside of the grid is outside of the solid."""
    padded = torch.nn.functional.pad(grid.float(), (1, 1, 1, 1, 1, 1), value=-math.inf).clamp(
        min=threshold - 1.0
    )
    steps = [(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
    offset = torch.tensor(steps)
    size = [side - 1 for side in padded.shape]
    corners = torch.stack(
        [padded[z : z + size[0], y : y + size[1], x : x + size[2]] for z, y, x in steps], -1
    )
    inside = corners > threshold
    crossed = inside.any(-1) & ~inside.all(-1)
    cells = crossed.nonzero()
    if not len(cells):
        return torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.int64)
    values = corners[crossed]
    total, count = torch.zeros(len(cells), 3), torch.zeros(len(cells), 1)
    for one in range(8):
        for other in range(one + 1, 8):
            if int((offset[one] != offset[other]).sum()) != 1:
                continue
            low, high = values[:, one], values[:, other]
            here = (low > threshold) != (high > threshold)
            share = torch.where(here, (threshold - low) / torch.where(here, high - low, 1.0), 0.0)[:, None]
            total += here[:, None] * (offset[one] + share * (offset[other] - offset[one]))
            count += here[:, None]
    vertices = cells - 1 + total / count
    return _centred(vertices, grid), _quads(padded > threshold, crossed, cells)


def _quads(inside: Tensor, crossed: Tensor, cells: Tensor) -> Int[Tensor, "faces 3"]:
    """Two triangles through the four cells around every edge of the grid that the surface crosses."""
    numbers = torch.full(crossed.shape, -1, dtype=torch.int64)
    numbers[crossed] = torch.arange(len(cells))
    made: list[Tensor] = []
    for axis in range(3):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        length = inside.shape[axis] - 1
        low, high = inside.narrow(axis, 0, length), inside.narrow(axis, 1, length)
        for edges, turned in (((low & ~high).nonzero(), False), ((~low & high).nonzero(), True)):
            around: list[Tensor] = []
            for back_one, back_other in ((0, 0), (1, 0), (1, 1), (0, 1)):
                place = edges.clone()
                place[:, one] -= back_one
                place[:, other] -= back_other
                around.append(numbers[place[:, 0], place[:, 1], place[:, 2]])
            a, b, c, d = reversed(around) if turned else around
            made += [torch.stack((a, c, b), 1), torch.stack((a, d, c), 1)]
    return torch.cat(made)


def _centred(places: Tensor, grid: Grid) -> Float[Tensor, "vertices 3"]:
    """Places in a grid as x, y, z about its longest side's middle, which lies 1 from either end."""
    half = max(grid.shape) / 2
    return ((places - half) / half).flip(-1).float().contiguous()


def _listed(values: Tensor) -> list[float]:
    return [float(value) for value in values]


def glb(vertices: Tensor, faces: Tensor, extras: Mapping[str, object]) -> bytes:
    """One solid as a binary glTF file; `extras` stand in its asset."""
    points, triangles = vertices.float().cpu().contiguous(), faces.to(torch.int32).cpu().contiguous()
    parts = [points.numpy().tobytes(), triangles.numpy().tobytes()]
    views = [
        {"buffer": 0, "byteOffset": 0, "byteLength": len(parts[0]), "target": POINTS},
        {"buffer": 0, "byteOffset": len(parts[0]), "byteLength": len(parts[1]), "target": TRIANGLES},
    ]
    accessors: list[dict[str, object]] = [
        {
            "bufferView": 0,
            "componentType": SINGLE,
            "count": len(points),
            "type": "VEC3",
            "min": _listed(points.amin(0)),
            "max": _listed(points.amax(0)),
        },
        {"bufferView": 1, "componentType": WHOLE, "count": triangles.numel(), "type": "SCALAR"},
    ]
    asset: dict[str, object] = {"version": "2.0", "generator": "Weft"}
    if extras:
        asset["extras"] = dict(extras)
    said = {
        "asset": asset,
        "buffers": [{"byteLength": sum(map(len, parts))}],
        "bufferViews": views,
        "accessors": accessors,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "mode": 4}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    text = json.dumps(said).encode()
    text += b" " * (-len(text) % 4)
    binary = b"".join(parts)
    binary += b"\0" * (-len(binary) % 4)
    chunks = (
        struct.pack("<II", len(text), JSON_CHUNK)
        + text
        + struct.pack("<II", len(binary), BINARY_CHUNK)
        + binary
    )
    return struct.pack("<III", GLTF, 2, 12 + len(chunks)) + chunks
