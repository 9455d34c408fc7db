"""The tables of families in the README are those that their rows say."""

from pathlib import Path

from nodes.diffusion.guidance import about as guidance
from nodes.diffusion.models.families import FAMILIES
from nodes.diffusion.models.families.about import table

README = Path(__file__).parents[3] / "nodes" / "diffusion" / "README.md"


def test_the_readme_has_the_table_of_today():
    assert table() in README.read_text("utf-8"), (
        "put the text of nodes.diffusion.models.families.about.table() into it"
    )


def test_the_readme_says_which_rules_act_on_which_family():
    made = guidance.table((family.name, family.takes) for family in FAMILIES)
    assert made in README.read_text("utf-8"), f"put this into it:\n{made}"
