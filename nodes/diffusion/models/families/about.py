"""The families as a table for people: what each is, and in which forms its files load."""

from collections.abc import Iterable

from nodes.diffusion.latent_formats import SAID
from nodes.diffusion.models.families import FAMILIES
from nodes.diffusion.models.family import Family

HEAD = ("family", "one file", "class in a diffusers folder", "latents", "text encoders", "tests hold it to")
UNET, CALLED = "diffusers' U-Net, each form", "its pipeline's call, each form"


def table(families: Iterable[Family] = FAMILIES) -> str:
    """A Markdown table, one line for each family."""
    lines = [HEAD, ("---",) * len(HEAD), *map(_line, families)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(family: Family) -> tuple[str, ...]:
    folder = f"`{family.folder}`: {family.made_by.partition(':')[2]}"
    latents = SAID.get(family.latents, family.latents)
    held_to = family.held_to or (UNET if family.folder == "unet" else CALLED)
    return family.name, family.one_file, folder, latents, family.text or "as the file tells", held_to
