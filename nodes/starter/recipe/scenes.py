"""Which pictures the U-Net learns from, and what is drawn when a caption leaves style or background open."""

from dataclasses import dataclass

import numpy as np

from nodes.starter.recipe.concepts import COLOUR_INDEX, COLOURS, PAPERS, STYLES
from nodes.starter.recipe.drawings import NATURAL, Drawings

WHITE_PAPER = 0
_SKY = next(index for index, paper in enumerate(PAPERS) if paper.word == "blue")
_WHITE_PAINT = 1 + COLOUR_INDEX["white"]
_NATURAL_PAPERS = 6  # besides white
_PAINTED_PAPERS = 2  # besides white
_OWN_COLOURS = 0.45  # share of captions without a colour word
_SAYS_STYLE, _SAYS_PAPER = 0.4, 0.3
_OPEN_IS_USUAL = 0.9  # share of the usual background among captions that leave it open


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture by its numbers, and whether its caption names style and background."""

    concept: int
    style: int
    paint: int
    paper: int
    says_style: bool
    says_paper: bool


class Scenes:
    """Draws scenes at random from those that exist as pictures.

    `plain` scenes, for the first steps, have their own colours on the usual background, and captions name neither.
    `focus` is the power that the styles' shares are raised to where captions name none: above 1 the leading styles
    get more of the training, so that pictures without a style word come out cleaner.
    """

    def __init__(self, drawings: Drawings, *, plain: bool = False, focus: float = 1.0) -> None:
        self._plain = plain
        self._present, self._pale = drawings.present, drawings.pale
        self._concepts = np.flatnonzero(drawings.present.any(1))
        self._shares = np.array([style.weight for style in STYLES]) ** focus
        self.kept = plain_papers(drawings) if plain else kept_papers(drawings)

    def draw(self, random: np.random.Generator) -> Scene:
        """A scene: concepts in equal shares, colours and backgrounds likewise where the caption names them."""
        concept = int(self._concepts[random.integers(len(self._concepts))])
        says_style, says_paper = random.random() < _SAYS_STYLE, random.random() < _SAYS_PAPER
        shares = self._present[concept] * (1.0 if says_style else self._shares)
        style = int(random.choice(len(STYLES), p=shares / shares.sum()))
        if self._plain:
            usual = usual_paper(NATURAL, self._pale[concept, style])
            return Scene(concept, style, NATURAL, usual, says_style, says_paper=False)
        paint = NATURAL if random.random() < _OWN_COLOURS else 1 + int(random.integers(len(COLOURS)))
        kept = np.flatnonzero(self.kept[concept, style, paint])
        usual = usual_paper(paint, self._pale[concept, style])
        if not says_paper and random.random() < _OPEN_IS_USUAL:
            return Scene(concept, style, paint, usual, says_style, says_paper)
        return Scene(concept, style, paint, int(random.choice(kept)), says_style, says_paper)


def usual_paper(paint: int, pale: bool) -> int:
    """The background of a scene whose caption names none: white, but sky for what could not be seen on white."""
    return _SKY if paint == _WHITE_PAINT or (paint == NATURAL and pale) else WHITE_PAPER


def plain_papers(drawings: Drawings) -> np.ndarray:
    """The pictures of plain scenes: bool (concept, style, paint, paper)."""
    kept = np.zeros((*drawings.present.shape, 1 + len(COLOURS), len(PAPERS)), bool)
    for concept, style in np.argwhere(drawings.present):
        kept[concept, style, NATURAL, usual_paper(NATURAL, drawings.pale[concept, style])] = True
    return kept


def kept_papers(drawings: Drawings, seed: int = 3) -> np.ndarray:
    """Which pictures are encoded: bool (concept, style, paint, paper). Never a colour on itself; always the usual paper."""
    kept = np.zeros((*drawings.present.shape, 1 + len(COLOURS), len(PAPERS)), bool)
    random = np.random.default_rng(seed)
    for concept, style in np.argwhere(drawings.present):
        for paint in range(1 + len(COLOURS)):
            count = _NATURAL_PAPERS if paint == NATURAL else _PAINTED_PAPERS
            own = None if paint == NATURAL else COLOURS[paint - 1].word
            others = [index for index in range(1, len(PAPERS)) if PAPERS[index].word != own]
            kept[concept, style, paint, random.choice(others, count, replace=False)] = True
            kept[concept, style, paint, usual_paper(paint, drawings.pale[concept, style])] = True
            if own != "white":
                kept[concept, style, paint, WHITE_PAPER] = True
    return kept
