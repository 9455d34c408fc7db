"""What the starter model can draw: concepts, styles, colours and backgrounds, and the words for them.

A concept names the drawing it stands for in the icon sets; where sets differ in naming, the first name found counts.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Body(StrEnum):
    """Which pixels of a drawing a colour word paints: found by area, its light parts, or all that are coloured."""

    FOUND = ""
    LIGHT = "light"
    VIVID = "vivid"


@dataclass(frozen=True, slots=True)
class Concept:
    """A thing the model can draw: `name` as people write it, other words for it, and its names in the icon sets.

    `body` says what a colour word paints where the common rule of `colours.anatomy` would choose wrongly.
    """

    name: str
    icons: tuple[str, ...]
    synonyms: tuple[str, ...] = ()
    body: Body = Body.FOUND


@dataclass(frozen=True, slots=True)
class Style:
    """One set of drawings. `weight` is its share among captions that name no style."""

    word: str
    package: str
    version: str
    licence: str
    author: str
    source: str
    weight: float


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour word. `hsv` (each 0 to 1) is what drawings are painted with, `paper` (sRGB, 0 to 255) the background."""

    word: str
    hsv: tuple[float, float, float]
    paper: tuple[int, int, int] | None
    synonyms: tuple[str, ...] = ()


def _concept(line: str) -> Concept:
    """Read `name | icon icon ... | synonym, synonym | body`; a missing icon part means the name itself."""
    name, icons, synonyms, body = ([part.strip() for part in line.split("|")] + ["", "", ""])[:4]
    return Concept(
        name,
        tuple(icons.split()) or (name.replace(" ", "-"),),
        tuple(word.strip() for word in synonyms.split(",") if word.strip()),
        Body(body),
    )


CONCEPTS: tuple[Concept, ...] = tuple(
    _concept(line)
    for line in """
apple | red-apple
banana
cherry | cherries | cherries
strawberry
pear
lemon
grapes
watermelon
pineapple
carrot
corn | ear-of-corn
eggplant
mushroom | | toadstool
pizza | pizza slice-of-pizza | slice of pizza
burger | hamburger | hamburger, cheeseburger
hot dog | hot-dog
fries | french-fries | french fries
ice cream | soft-ice-cream
cake | birthday-cake | birthday cake
donut | doughnut | doughnut
lollipop
tree | deciduous-tree | oak tree
pine tree | evergreen-tree | fir tree
palm tree | palm-tree
flower | blossom | blossom
rose
sunflower
cactus
leaf | maple-leaf | maple leaf
sun
moon | crescent-moon | crescent moon
star | star white-medium-star
cloud
rainbow
snowflake
lightning | high-voltage | lightning bolt
fire | | flame
drop | droplet | water drop
umbrella | umbrella-with-rain-drops umbrella
snowman | snowman-without-snow snowman
cat | cat-face | kitten, kitty, cat face
dog | dog-face | puppy, dog face
rabbit | rabbit-face | bunny
bear | bear bear-face | teddy bear
panda | panda panda-face
frog | frog frog-face
pig | pig-face | piglet
penguin
fish | fish
bird
butterfly
bee | honeybee
ladybug | lady-beetle | ladybird
turtle
whale | spouting-whale
octopus
snail
elephant
monkey | monkey-face
lion | lion lion-face
cow | cow-face
mouse | mouse-face | | light
fox | fox fox-face
owl
crab
unicorn | unicorn unicorn-face
car | automobile | automobile
bus
truck | delivery-truck | lorry
train | locomotive | locomotive
boat | sailboat | sailboat, ship | vivid
rocket | | spaceship | light
airplane | | plane | light
helicopter
house | house house-building | home
castle
heart | red-heart heart-suit
cup | hot-beverage | coffee, cup of coffee, cup of tea, mug | light
key
balloon
gift | wrapped-gift wrapped-present | present, gift box
ball | soccer-ball | football, soccer ball
bell
crown
hat | top-hat | top hat
shirt | t-shirt | t-shirt, tshirt
dress
shoe | running-shoe | sneaker
book | closed-book | closed book
pencil
lamp | light-bulb | light bulb, bulb
clock | alarm-clock | alarm clock
lock | locked lock | padlock
diamond | gem-stone | gem
trophy
guitar
camera
phone | telephone | telephone
television | | tv | light
hammer
scissors
anchor
bomb
ghost
robot
smiley | slightly-smiling-face | smiley face, smile, happy face, emoji
skull
alien
pumpkin | jack-o-lantern | jack-o-lantern
""".strip().splitlines()
)

_MICROSOFT = ("MIT", "Microsoft Corporation", "github.com/microsoft/fluentui-emoji")
_GOOGLE = ("Apache-2.0", "Google Inc", "github.com/googlefonts/noto-emoji")

STYLES: tuple[Style, ...] = (
    Style("3d", "@iconify-json/fluent-emoji", "1.2.7", *_MICROSOFT, weight=0.30),
    Style("flat", "@iconify-json/fluent-emoji-flat", "1.2.6", *_MICROSOFT, weight=0.20),
    Style("cartoon", "@iconify-json/noto", "1.2.9", *_GOOGLE, weight=0.18),
    Style(
        "icon",
        "@iconify-json/twemoji",
        "1.2.5",
        "CC-BY-4.0",
        "Twitter and contributors",
        "github.com/jdecked/twemoji",
        weight=0.14,
    ),
    Style("classic", "@iconify-json/noto-v1", "1.2.5", *_GOOGLE, weight=0.09),
    Style(
        "sticker",
        "@iconify-json/emojione",
        "1.2.3",
        "CC-BY-4.0",
        "Emoji One and the EmojiTwo contributors",
        "github.com/EmojiTwo/emojitwo",
        weight=0.09,
    ),
)

COLOURS: tuple[Colour, ...] = (
    Colour("red", (0.0, 0.84, 0.90), (238, 118, 108)),
    Colour("orange", (0.075, 0.90, 0.98), (252, 190, 112)),
    Colour("yellow", (0.145, 0.82, 0.99), (253, 228, 120)),
    Colour("green", (0.36, 0.74, 0.68), (150, 216, 150)),
    Colour("blue", (0.60, 0.80, 0.90), (138, 188, 250)),
    Colour("purple", (0.76, 0.64, 0.78), (190, 156, 236), ("violet",)),
    Colour("pink", (0.93, 0.45, 0.99), (252, 188, 214)),
    Colour("brown", (0.065, 0.65, 0.52), None),
    Colour("black", (0.65, 0.10, 0.20), (28, 28, 32)),
    Colour("white", (0.60, 0.03, 0.97), (255, 255, 255)),
    Colour("gray", (0.60, 0.05, 0.60), (178, 180, 184), ("grey",)),
)

PAPERS: tuple[Colour, ...] = tuple(
    sorted(
        (colour for colour in COLOURS if colour.paper is not None), key=lambda colour: colour.word != "white"
    )
)
"""Backgrounds; white, the one most drawings stand on, comes first."""

COLOUR_INDEX = MappingProxyType({colour.word: index for index, colour in enumerate(COLOURS)})
