"""Where and in which precision a worker computes, as a person said."""

import pytest
import torch

from nodes.diffusion.choosing import Wishes, chosen_budget
from nodes.diffusion.memory.budget import Mode
from server.app import _placement
from server.config import Compute


def test_a_person_may_choose_the_precision_of_each_part():
    asked = Compute(cpu=True, network_dtype="float16", vae_dtype="float64", text_dtype="bfloat16")
    placement = _placement(asked)
    assert placement.device == torch.device("cpu")
    assert (placement.dtype, placement.vae_dtype, placement.text_dtype) == (
        torch.float16,
        torch.float64,
        torch.bfloat16,
    )


def test_the_processor_computes_in_single_precision_unless_told_otherwise():
    placement = _placement(Compute(cpu=True, card=1))
    assert placement.device == torch.device("cpu")
    assert {placement.dtype, placement.vae_dtype, placement.text_dtype} == {torch.float32}


@pytest.mark.parametrize(("reserve", "left"), [(None, 80), (30, 70), (0, 100), (200, 0)])
def test_room_is_left_on_a_card(reserve, left, monkeypatch):
    card = type("Card", (), {"total_memory": 100})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    budget = chosen_budget(torch.device("cuda"), Wishes(reserve=reserve), (1000, 600))
    assert (budget.keep, budget.host) == (left, 300)
    assert budget.device == max(0, 100 - (reserve or 0))


def test_a_person_may_give_a_processor_a_device_of_so_many_bytes():
    wishes = Wishes(device=50, host=40, reading=30, mode="novram", pinned=False)
    budget = chosen_budget(torch.device("cpu"), wishes, (1000, 600))
    assert (budget.keep, budget.device, budget.host, budget.reading) == (50, 50, 40, 30)
    assert (budget.mode, budget.pinned, budget.computing) == (Mode.NOTHING, False, 10)
    assert chosen_budget(torch.device("cpu"), Wishes(), (1000, 600)).device is None


def test_a_person_may_keep_networks_in_eight_bits():
    assert _placement(Compute(cpu=True, stored="float8_e5m2")).stored is torch.float8_e5m2
