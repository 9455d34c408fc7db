"""The table of families in the README is the one that their rows say."""

from pathlib import Path

from nodes.diffusion.models.families.about import table

README = Path(__file__).parents[3] / "nodes" / "diffusion" / "README.md"


def test_the_readme_has_the_table_of_today():
    assert table() in README.read_text("utf-8"), (
        "put the text of nodes.diffusion.models.families.about.table() into it"
    )
