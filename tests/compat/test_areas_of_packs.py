"""Conditions on latents as packs ask for them, beside what our own steering makes of the same conditions."""

import importlib
from dataclasses import replace
from typing import Any

import pytest
import torch

from nodes.compat.convert import outward
from nodes.diffusion.regions import rectangle, weight
from nodes.diffusion.values import Area, Cond, Span
from tests.compat.tiny_models import NEAR, PROMPTS, Host

LATENTS = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
TEXT = PROMPTS["positive"][0]
SIGMA = torch.tensor([3.0])
PLACES = {
    "everywhere": TEXT,
    "in a rectangle": replace(TEXT, area=Area(8, 10, 4, 6), strength=0.5),
    "in a share": replace(TEXT, area=Area(0.5, 0.5, 0.25, 0.5, relative=True)),
    "under a mask": replace(TEXT, mask=torch.rand(1, 32, 32), mask_strength=0.7, strength=0.5),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Host(tmp_path_factory.mktemp("areas"))
    with made.running():
        yield made


@pytest.fixture
def samplers() -> Any:
    return importlib.import_module("comfy.samplers")


def ready(host: Host, samplers: Any, *conds: Cond) -> list[dict[str, Any]]:
    entries: Any = outward(conds)
    listed = importlib.import_module("comfy.sampler_helpers").convert_cond(entries)
    model = host.patcher().model
    return samplers.process_conds(model, LATENTS, {"positive": listed}, torch.device("cpu"))["positive"]


@pytest.mark.parametrize("place", PLACES)
def test_a_condition_counts_where_and_as_much_as_in_our_steering(host: Host, samplers: Any, place: str):
    cond = PLACES[place]
    made = samplers.get_area_and_mult(ready(host, samplers, cond)[0], LATENTS, SIGMA)
    where = rectangle(cond.area, 16, 16)
    assert torch.equal(made.input_x, where.cut(LATENTS)) and made.mult.shape == made.input_x.shape
    assert torch.allclose(made.mult, weight(cond, LATENTS).expand_as(made.input_x))
    assert (made.area is None) == (cond.area is None) and made.patches is made.control is made.hooks is None
    assert torch.equal(made.conditioning["c_crossattn"].cond, TEXT.context) and made.uuid is not None


def test_a_condition_counts_only_between_its_sigmas(host: Host, samplers: Any):
    (cond,) = ready(host, samplers, replace(TEXT, span=Span(0.0, 0.5)))
    half = host.patcher().model.model_sampling.percent_to_sigma(0.5)
    assert samplers.get_area_and_mult(cond, LATENTS, torch.tensor([half * 1.1])) is not None
    assert samplers.get_area_and_mult(cond, LATENTS, torch.tensor([half * 0.9])) is None


def test_pieces_asked_at_once_give_what_our_estimates_give(host: Host, samplers: Any):
    model = host.patcher().model
    sides = ready(host, samplers, PROMPTS["positive"][0], PROMPTS["negative"][0])
    pieces = [samplers.get_area_and_mult(cond, LATENTS, SIGMA) for cond in sides]
    assert samplers.can_concat_cond(*pieces)
    told = samplers.cond_cat([piece.conditioning for piece in pieces], torch.device("cpu"))
    made = model.apply_model(torch.cat([piece.input_x for piece in pieces]), SIGMA.expand(2), **told).chunk(2)
    wanted = samplers.calc_cond_batch(model, [[sides[0]], [sides[1]]], LATENTS, SIGMA, {})
    assert all(torch.allclose(one, other, atol=NEAR * 10) for one, other in zip(made, wanted, strict=True))
    smaller = ready(host, samplers, PLACES["in a rectangle"])[0]
    assert not samplers.can_concat_cond(pieces[0], samplers.get_area_and_mult(smaller, LATENTS, SIGMA))
