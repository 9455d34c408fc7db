"""Workflows to begin with that Weft brings: the one that a new person sees, and others by what one wants or learns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nodes.spec import Json
from server.api.template_words import GROUPS, SAID


class Group(StrEnum):
    """What a person wants who looks for a workflow; the value is its title in English."""

    MAKE = "Make a picture"
    LEAD = "Lead it"
    CHANGE = "Change and finish"
    LEARN = "Understand"


@dataclass(frozen=True, slots=True)
class Template:
    """A workflow to begin with: its file's name without the ending, and what it is called and is for."""

    group: Group
    name: str
    title: str
    description: str

    def told(self, language: str = "en") -> Mapping[str, Json]:
        """As lists of templates have it, in a language if there are words for it, else in English."""
        title, description = SAID.get(language, {}).get(self.name, (self.title, self.description))
        return {
            "name": self.name,
            "title": title,
            "mediaType": "image",
            "mediaSubtype": "webp",
            "description": description,
        }


DEFAULT = Template(
    Group.MAKE, "default", "Text to image", "A picture from words, with the model that comes with Weft."
)
TEMPLATES = (
    DEFAULT,
    Template(
        Group.MAKE,
        "variations",
        "Six at once",
        "One prompt, six pictures, each from noise of its own.",
    ),
    Template(Group.MAKE, "regions", "Who goes where", "Two prompts, each for an area of one picture."),
    Template(
        Group.MAKE,
        "film",
        "A small film",
        "From one prompt to another, picture by picture, as an animation.",
    ),
    Template(
        Group.LEAD,
        "image_to_image",
        "A picture from a picture",
        "The first picture is drawn over with other words.",
    ),
    Template(Group.LEAD, "style_lora", "A style from a LoRA", "Ink on cream paper: not at all, half, whole."),
    Template(
        Group.LEAD,
        "follow_edges",
        "Follow the edges",
        "A ControlNet leads another picture along the outlines of the first.",
    ),
    Template(
        Group.LEAD,
        "blend_prompts",
        "Between two prompts",
        "Texts are mixed as numbers: from a lion to a panda.",
    ),
    Template(
        Group.LEAD,
        "negative_prompt",
        "What not to draw",
        "The same noise with three negative prompts.",
    ),
    Template(
        Group.CHANGE,
        "inpaint",
        "Draw a part anew",
        "Where the mask is, the picture is drawn by other words.",
    ),
    Template(
        Group.CHANGE,
        "enlarge",
        "Small first, then large",
        "Draw at the model's own size, enlarge, and go over it once more.",
    ),
    Template(
        Group.CHANGE,
        "cut_out",
        "Cut it out",
        "A plain ground becomes clear: a picture with transparency.",
    ),
    Template(Group.LEARN, "guidance", "Feel guidance", "The same noise at cfg 1, 2, 4 and 12, side by side."),
    Template(Group.LEARN, "steps", "How many steps", "The same noise in 2, 4, 8 and 20 steps."),
    Template(
        Group.LEARN,
        "denoise",
        "Feel denoise",
        "The same picture drawn over, from further and further up in the noise.",
    ),
    Template(
        Group.LEARN,
        "compare_samplers",
        "Compare samplers",
        "Four ways down from the same noise, side by side.",
    ),
    Template(
        Group.LEARN,
        "forward_process",
        "Watch the forward process",
        "A picture drowns in noise, and what a sigma is.",
    ),
    Template(
        Group.LEARN,
        "parts_of_a_sampler",
        "A sampler in parts",
        "Noise, guidance, rule, levels and loop, each a node of its own.",
    ),
)


def listed(language: str = "en") -> Sequence[Json]:
    """All, by group, as `/templates/index.json` tells them."""
    titles = GROUPS.get(language, {})
    return [
        {
            "moduleName": "default",
            "title": titles.get(group.value, group.value),
            "type": "image",
            "templates": [template.told(language) for template in TEMPLATES if template.group is group],
        }
        for group in Group
    ]


def file(name: str, default: Path, folder: Path) -> Path | None:
    """The file of a template; None if we bring none of that name.

    Args:
        default: the workflow that a new person sees. folder: where the others lie.
    """
    if name == DEFAULT.name:
        return default
    return next((folder / f"{known.name}.json" for known in TEMPLATES if known.name == name), None)
