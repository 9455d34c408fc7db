"""The blind naming test: shuffled, unlabelled contact sheets for a judge, a key kept apart, and the count.

`sheets.py` draws them. The judge sees the sheets alone and writes one line for each picture, such as `A7: blue fish`
(test, number, main colour if it has one, object); then `python -m nodes.starter.recipe.judge KEY ANSWERS` counts.
"""

import argparse
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nodes.starter.recipe.captions import with_article
from nodes.starter.recipe.concepts import COLOURS, CONCEPTS

PROMPTS = (
    ("a red apple", "apple", "red"),
    ("a blue fish", "fish", "blue"),
    ("a green tree", "tree", "green"),
    ("a yellow sun", "sun", "yellow"),
    ("a house", "house", None),
    ("a purple mushroom", "mushroom", "purple"),
    ("a black cat", "cat", "black"),
    ("a red car", "car", "red"),
    ("a blue heart on a yellow background", "heart", "blue"),
    ("an orange flower", "flower", "orange"),
    ("a rocket", "rocket", None),
    ("a pink butterfly, flat style", "butterfly", "pink"),
)
SEEDS = (1, 2, 3, 4)
_ALSO_RIGHT = {
    "airplane": "aeroplane jet aircraft",
    "alien": "extraterrestrial",
    "ball": "soccer football",
    "bear": "teddy",
    "bee": "bumblebee honeybee",
    "boat": "yacht sailing",
    "book": "notebook",
    "burger": "cheeseburger",
    "camera": "photo",
    "cup": "mug coffee tea",
    "corn": "maize",
    "diamond": "gem jewel gemstone",
    "drop": "droplet teardrop raindrop",
    "dress": "gown",
    "eggplant": "aubergine",
    "fire": "flame",
    "flower": "daisy blossom",
    "fries": "chips",
    "gift": "present",
    "hat": "tophat",
    "ice cream": "icecream",
    "ladybug": "ladybird",
    "lamp": "bulb lightbulb",
    "leaf": "maple",
    "lightning": "bolt thunderbolt",
    "lock": "padlock",
    "moon": "crescent",
    "mouse": "rat",
    "mushroom": "toadstool",
    "palm tree": "palm",
    "pig": "piglet",
    "pine tree": "pine fir conifer evergreen christmas",
    "pumpkin": "lantern",
    "rabbit": "bunny hare",
    "shirt": "tshirt tee",
    "shoe": "sneaker trainer",
    "smiley": "smile smiling emoji face emoticon",
    "snowflake": "snow",
    "train": "locomotive engine",
    "trophy": "award",
    "truck": "lorry van",
    "turtle": "tortoise",
    "television": "tv",
    "whale": "whale",
}
_ALSO_THAT_COLOUR = {"purple": "violet lilac", "gray": "grey", "yellow": "golden gold"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What one numbered picture shows: `concept` by name, `colour` where the prompt has one."""

    label: str
    prompt: str
    seed: int
    concept: str
    colour: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many of a test's pictures were named right, and the labels of those that were not."""

    right: int
    of: int
    wrong: tuple[str, ...]


def entries(shuffle: int = 20) -> list[Entry]:
    """Test A: the twelve prompts with four seeds each; test B: every concept once. Both shuffled."""
    random = np.random.default_rng(shuffle)
    first = [(*row, seed) for row in PROMPTS for seed in SEEDS]
    second = [(with_article(c.name), c.name, None, 100 + index) for index, c in enumerate(CONCEPTS)]
    made = []
    for test, rows in (("A", first), ("B", second)):
        for number, index in enumerate(random.permutation(len(rows)), start=1):
            prompt, concept, colour, seed = rows[index]
            made.append(Entry(f"{test}{number}", prompt, seed, concept, colour))
    return made


def write_sheets(listed: list[Entry], pictures: list[np.ndarray], sheets: Path, per_sheet: int = 24) -> None:
    """Write numbered sheets of `pictures`, one for each of `listed`, into `sheets`: what the judge sees."""
    sheets.mkdir(parents=True, exist_ok=True)
    for test in "AB":
        of_test = [(e.label, p) for e, p in zip(listed, pictures, strict=True) if e.label[0] == test]
        for start in range(0, len(of_test), per_sheet):
            page = _numbered(of_test[start : start + per_sheet])
            page.save(sheets / f"{test}_{start // per_sheet + 1}.png")


def write_key(listed: list[Entry], key: Path) -> None:
    """Write what the pictures show to `key` / key.json: what the judge does not see."""
    key.mkdir(parents=True, exist_ok=True)
    content = json.dumps([asdict(entry) for entry in listed], indent=1)
    (key / "key.json").write_text(content + "\n", encoding="utf-8")


def score(key: Path, answers: str) -> dict[str, Count]:
    """Count right answers for each test: the object by any of its names, and the colour where the prompt has one."""
    listed = [Entry(**entry) for entry in json.loads((key / "key.json").read_text(encoding="utf-8"))]
    said = {
        label.upper(): text
        for label, text in re.findall(r"^\s*([ABab]\d+)\s*[:.]\s*(.*)$", answers, re.MULTILINE)
    }
    counts = {}
    for test in "AB":
        of_test = [entry for entry in listed if entry.label[0] == test]
        wrong = tuple(entry.label for entry in of_test if not is_right(entry, said.get(entry.label, "")))
        counts[test] = Count(len(of_test) - len(wrong), len(of_test), wrong)
    return counts


def is_right(entry: Entry, answer: str) -> bool:
    """Whether `answer` names the object, and the colour if one was asked for."""
    words = (
        " "
        + " ".join(_singular(word) for word in re.findall(r"[a-z]+", answer.lower().replace("-", " ")))
        + " "
    )
    concept = next(c for c in CONCEPTS if c.name == entry.concept)
    names = [concept.name, *concept.synonyms, *_ALSO_RIGHT.get(concept.name, "").split()]
    spelled = [" ".join(_singular(word) for word in re.findall(r"[a-z]+", name.lower())) for name in names]
    if not any(f" {name} " in words for name in spelled):
        return False
    if entry.colour is None:
        return True
    colour = next(c for c in COLOURS if c.word == entry.colour)
    accepted = [colour.word, *colour.synonyms, *_ALSO_THAT_COLOUR.get(colour.word, "").split()]
    return any(f" {word} " in words for word in accepted)


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _numbered(pictures: list[tuple[str, np.ndarray]], columns: int = 6, scale: int = 2) -> Image.Image:
    """A sheet of enlarged pictures, each with its label above it."""
    side, head = pictures[0][1].shape[0] * scale, 26
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * (side + 8) + 8, rows * (side + head + 8)), (120, 124, 130))
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(20)
    for index, (label, picture) in enumerate(pictures):
        left, top = 8 + index % columns * (side + 8), index // columns * (side + head + 8)
        pen.text((left + 4, top), label, font=font, fill="white")
        enlarged = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
        page.paste(enlarged, (left, top + head))
    return page


def main() -> None:
    """Count the answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("key", type=Path)
    parser.add_argument("answers", type=Path)
    given = parser.parse_args()
    for test, count in score(given.key, given.answers.read_text(encoding="utf-8")).items():
        wrong = ", ".join(count.wrong) or "none"
        print(f"test {test}: {count.right} of {count.of} named right; not: {wrong}")


if __name__ == "__main__":
    main()
