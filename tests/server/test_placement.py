"""Where and in which precision a worker computes, as a person said."""

import pytest
import torch

from server.app import _placement
from server.config import Compute
from server.worker.machine import weights_budget


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
    assert weights_budget(torch.device("cuda"), reserve) == left
