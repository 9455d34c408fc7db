"""Captions for scenes, the way people write prompts: "a photo of a cute red apple on a blue background, flat style"."""

import numpy as np

from nodes.starter.recipe.concepts import COLOURS, CONCEPTS, PAPERS, STYLES, Colour
from nodes.starter.recipe.drawings import NATURAL
from nodes.starter.recipe.scenes import Scene

_OPENINGS = (
    "a photo of ",
    "a picture of ",
    "a drawing of ",
    "an image of ",
    "an icon of ",
    "an illustration of ",
)
_ADJECTIVES = (
    "cute small big little beautiful nice shiny happy simple lovely old new fresh tiny large pretty cool funny"
).split()
_CLOSINGS = (
    "high quality",
    "detailed",
    "4k",
    "masterpiece",
    "best quality",
    "centered",
    "clean",
    "vector art",
    "digital art",
    "sharp focus",
    "simple shapes",
)
_ON_PAPER = (
    " on a {} background",
    " on a {} background",
    " on a {} background",
    ", {} background",
    " with a {} background",
    " in front of a {} background",
    " on {}",
)
_IN_STYLE = ("{} style", "{} style", "in {} style", "{}", "{} art", "in the style of {}")
_OTHER_WORDS = (
    "two three four five one and or the of with left right top bottom up down over under next to dark light bright man "
    "woman girl boy person child face eye hair hat water sky grass sea mountain city street forest night day summer "
    "winter painting sketch photo render realistic anime watercolor oil pixel low blurry bad ugly worst quality text "
    "watermark portrait landscape smiling sitting standing running jpeg artifacts noisy deformed extra"
).split()


def caption(scene: Scene, random: np.random.Generator) -> str:
    """A caption of `scene`: colour named if it is painted, style and background as the scene says, the rest varies."""
    concept = CONCEPTS[scene.concept]
    noun = concept.name
    if concept.synonyms and random.random() < 0.2:
        noun = _pick(concept.synonyms, random)
    if scene.paint != NATURAL:
        noun = f"{_word(COLOURS[scene.paint - 1], random)} {noun}"
    if random.random() < 0.12:
        noun = f"{_pick(_ADJECTIVES, random)} {noun}"
    style = STYLES[scene.style].word
    style_first = scene.says_style and random.random() < 0.3
    if style_first:
        noun = f"{style} {noun}"
    text = _pick(_OPENINGS, random) if random.random() < 0.45 else ""
    text += with_article(noun) if random.random() < 0.8 else noun
    if scene.says_paper:
        text += _pick(_ON_PAPER, random).format(_word(PAPERS[scene.paper], random))
    if scene.says_style and not style_first:
        text += f", {_pick(_IN_STYLE, random).format(style)}"
    while random.random() < 0.1:
        text += f", {_pick(_CLOSINGS, random)}"
    return text


def with_article(noun: str) -> str:
    """`noun` with "a" or "an" before it."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def with_unknown_word(text: str, random: np.random.Generator) -> str:
    """`text` with a word of random letters somewhere, so that unknown words come to mean nothing."""
    letters = "".join(chr(97 + int(letter)) for letter in random.integers(0, 26, int(random.integers(2, 9))))
    words = text.split(" ")
    words.insert(int(random.integers(len(words) + 1)), letters)
    return " ".join(words)


def known_phrases() -> list[str]:
    """Every phrase whose words the tokenizer is to know whole."""
    colours = [word for colour in COLOURS for word in (colour.word, *colour.synonyms)]
    nouns = [word for concept in CONCEPTS for word in (concept.name, *concept.synonyms)]
    phrases = (*_OPENINGS, *_ADJECTIVES, *_CLOSINGS, *_ON_PAPER, *_IN_STYLE, *_OTHER_WORDS)
    return (
        [phrase.replace("{}", "") for phrase in phrases] + colours + nouns + [style.word for style in STYLES]
    )


def _word(colour: Colour, random: np.random.Generator) -> str:
    """The colour's word, now and then another for it."""
    return _pick(colour.synonyms, random) if colour.synonyms and random.random() < 0.2 else colour.word


def _pick(options: tuple[str, ...] | list[str], random: np.random.Generator) -> str:
    return options[int(random.integers(len(options)))]
