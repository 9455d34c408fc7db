"""Contact sheets of a packed model: those of the card, and the blind test's with its key apart.

`python -m nodes.starter.recipe.sheets MODEL CARD_SHEETS BLIND_SHEETS KEY`
"""

import argparse
from pathlib import Path

import torch

from nodes.starter.recipe.concepts import STYLES
from nodes.starter.recipe.judge import PROMPTS, SEEDS, entries, write_key, write_sheets
from nodes.starter.recipe.sample import Model, draw, load, sheet

_GUIDANCE = (1.0, 2.0, 3.0, 5.0, 8.0)
_THINGS = ("a cat", "a house", "a tree", "a fish", "a car", "a heart")
_LONGER = (
    "a red apple",
    "a black cat",
    "a house",
    "an orange flower",
    "a blue fish on a pink background",
    "a photo of a beautiful purple umbrella, high quality",
)


def tests(model: Model, card: Path, blind: Path, key: Path) -> None:
    """Draw both naming tests once: shuffled for the judge, in order for the card."""
    listed = entries()
    pictures = draw(model, [entry.prompt for entry in listed], [entry.seed for entry in listed])
    write_sheets(listed, pictures, blind)
    write_key(listed, key)
    drawn = {(entry.prompt, entry.seed): picture for entry, picture in zip(listed, pictures, strict=True)}
    in_order = [drawn[prompt, seed] for prompt, _, _ in PROMPTS for seed in SEEDS]
    sheet(in_order, 2 * len(SEEDS)).save(card / "prompts.png")
    concepts = sorted((e for e in listed if e.label[0] == "B"), key=lambda entry: entry.seed)
    sheet([drawn[entry.prompt, entry.seed] for entry in concepts], 12).save(card / "concepts.png")


def variations(model: Model, card: Path) -> None:
    """Draw the card's sheets of styles (a row each) and of guidance (a row each: 1, 2, 3, 5, 8)."""
    prompts = [f"{thing}, {style.word} style" for style in STYLES for thing in _THINGS]
    sheet(draw(model, prompts, [3] * len(prompts)), len(_THINGS)).save(card / "styles.png")
    rows = [draw(model, list(_LONGER), [3] * len(_LONGER), scale) for scale in _GUIDANCE]
    sheet([picture for row in rows for picture in row], len(_LONGER)).save(card / "guidance.png")


def main() -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "card", "blind", "key"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.card.mkdir(parents=True, exist_ok=True)
    model = load(given.model)
    tests(model, given.card, given.blind, given.key)
    variations(model, given.card)


if __name__ == "__main__":
    main()
