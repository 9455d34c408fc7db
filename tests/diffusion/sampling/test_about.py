"""What is told of samplers and schedules: every one, in the menus' order, with its maths and where it comes from."""

import pytest

from nodes.builtin import all_nodes
from nodes.diffusion.about_schedules import ABOUT_NODE_SCHEDULES, ABOUT_SCHEDULES
from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.about import ABOUT_SAMPLERS
from nodes.diffusion.schedules import SCHEDULES


def test_every_sampler_and_every_schedule_has_a_row():
    assert list(ABOUT_SAMPLERS) == list(SAMPLERS)
    assert list(ABOUT_SCHEDULES) == list(SCHEDULES)


def test_every_node_that_makes_or_changes_sigmas_is_told():
    made = {node.spec.id for node in all_nodes() if "SIGMAS" in {out.type for out in node.spec.outputs}}
    assert made - {"BasicScheduler"} <= set(ABOUT_NODE_SCHEDULES)


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
