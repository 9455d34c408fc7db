"""The training set: every concept in every style, in its own colours and repainted in each colour word."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodes.starter.recipe.colours import anatomy, is_pale, repaint
from nodes.starter.recipe.concepts import COLOURS, CONCEPTS, PAPERS, STYLES, Colour
from nodes.starter.recipe.icons import SIZE, fetch, read, render

NATURAL = 0
"""Paint number of a drawing in its own colours; `COLOURS[n]` is paint number n + 1."""


@dataclass(frozen=True, slots=True)
class Drawings:
    """Pictures and what is known of them.

    Attributes:
        pictures: premultiplied sRGB and alpha, uint8, shape (concept, style, paint, size, size, 4).
        present: whether a set has the concept, bool (concept, style).
        pale: whether the drawing in its own colours needs a background, bool (concept, style).
    """

    pictures: np.ndarray
    present: np.ndarray
    pale: np.ndarray

    def on_papers(self, concept: int, style: int, paint: int, papers: np.ndarray) -> np.ndarray:
        """The drawing laid on backgrounds (n, 3) of sRGB 0 to 255; float32 (n, size, size, 3), -1 to 1."""
        picture = self.pictures[concept, style, paint].astype(np.float32)
        laid = picture[None, ..., :3] + (1 - picture[None, ..., 3:] / 255) * papers[:, None, None, :]
        return laid / 127.5 - 1


def paper_values(papers: tuple[Colour, ...] = PAPERS) -> np.ndarray:
    """Backgrounds as float32 (n, 3), sRGB 0 to 255."""
    return np.array([colour.paper for colour in papers], np.float32)


def build(packages: Path) -> Drawings:
    """Fetch the sets into `packages` and draw everything (about a core-minute)."""
    sets = [read(fetch(style, packages)) for style in STYLES]
    shape = (len(CONCEPTS), len(STYLES))
    pictures = np.zeros((*shape, 1 + len(COLOURS), SIZE, SIZE, 4), np.uint8)
    present, pale = np.zeros(shape, bool), np.zeros(shape, bool)
    for row, concept in enumerate(CONCEPTS):
        for column, icons in enumerate(sets):
            name = icons.find(concept.icons)
            if name is None:
                continue
            drawing = render(icons, name)
            parts = anatomy(drawing, concept.body)
            versions = [drawing, *(repaint(drawing, parts, colour) for colour in COLOURS)]
            pictures[row, column] = (np.stack(versions) * 255 + 0.5).clip(0, 255)
            present[row, column], pale[row, column] = True, is_pale(drawing)
    return Drawings(pictures, present, pale)


def save(drawings: Drawings, folder: Path) -> None:
    """Write the three arrays as `.npy` files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in Drawings.__slots__:
        np.save(folder / f"{name}.npy", getattr(drawings, name))


def load(folder: Path) -> Drawings:
    """Read what `save` wrote; the pictures stay on disk until used."""
    return Drawings(
        np.load(folder / "pictures.npy", mmap_mode="r"),
        np.load(folder / "present.npy"),
        np.load(folder / "pale.npy"),
    )
