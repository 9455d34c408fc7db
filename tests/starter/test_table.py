"""What the canvas is told of samplers: it is current, measured, and complete."""

import json

import pytest

from nodes.diffusion.sampling import SAMPLERS
from nodes.diffusion.sampling.wishes import SAMPLER_WISHES, SCHEDULE_WISHES
from nodes.diffusion.schedules import SCHEDULES
from nodes.starter.reference.table import measured, table
from server.api.routes.system import SAMPLERS as FILE


def test_the_file_that_the_server_serves_is_current():
    wanted = json.loads(json.dumps(table()))
    assert json.loads(FILE.read_text(encoding="utf-8")) == wanted, (
        "run: python -m nodes.starter.reference.table server/samplers.json"
    )


@pytest.mark.parametrize(
    ("name", "calls", "noise"),
    [
        ("euler", 1, False), ("heun", 2, False), ("heunpp2", 3, False), ("lcm", 1, True), ("seeds_3", 3, True),
        ("dpmpp_2m_sde", 1, True), ("dpm_adaptive", None, False),
    ],
)  # fmt: skip
def test_what_a_sampler_costs_is_measured(name: str, calls: int | None, noise: bool):
    cost = measured(name)
    assert (cost.calls, cost.noise) == (calls, noise)


@pytest.mark.parametrize(("wishes", "names"), [(SAMPLER_WISHES, SAMPLERS), (SCHEDULE_WISHES, SCHEDULES)])
def test_wishes_name_what_there_is_once_in_lower_case(wishes, names):
    for wish in wishes:
        assert set(wish.names) <= set(names)
        assert len(set(wish.names)) == len(wish.names)
        assert all(word == word.lower().strip() for word in wish.words)
    words = [word for wish in wishes for word in wish.words]
    assert len(set(words)) == len(words)
