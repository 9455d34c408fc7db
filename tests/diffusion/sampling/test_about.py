"""What is told of samplers and schedules: every one, in the menus' order, with its maths and where it comes from."""

import pytest

from nodes.diffusion.about_schedules import ABOUT_SCHEDULES
from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.about import ABOUT_SAMPLERS
from nodes.diffusion.schedules import SCHEDULES


def test_every_sampler_and_every_schedule_has_a_row():
    assert list(ABOUT_SAMPLERS) == list(SAMPLERS)
    assert list(ABOUT_SCHEDULES) == list(SCHEDULES)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_is_told_in_a_sentence_two_lines_of_maths_and_a_source(name: str):
    about = ABOUT_SAMPLERS[name]
    assert about.purpose.endswith(".")
    assert len(about.maths) == 2
    for line in about.maths:
        assert line.isascii()
        assert line.count("(") == line.count(")")
    assert any(year.isdigit() and len(year) == 4 for year in about.source.replace(",", " ").split()) or (
        "Adams" in about.source
    )
