"""Context windows: which places are answered together, how much each counts, what stays as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.builtin.model_patches import context_windows_manual, wan_context_windows_manual
from nodes.diffusion.denoiser import LatentFormat, Parametrisation
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance.windows import FUSIONS, SCHEDULES, ContextWindows
from nodes.diffusion.noise_levels import flux_levels
from nodes.diffusion.values import CheckpointRef, Model
from nodes.spec import NodeError


@pytest.mark.parametrize(
    ("schedule", "ends"),
    [
        ("looped_uniform", [(10, 17), (16, 3), (2, 9)]),
        ("standard_uniform", [(10, 17), (12, 19), (0, 7), (2, 9)]),
        ("standard_static", [(0, 7), (6, 13), (12, 19)]),
        ("batched", [(0, 7), (8, 15), (16, 19)]),
    ],
)
def test_windows_are_those_of_the_field(schedule: str, ends: list[tuple[int, int]]):
    made = ContextWindows(8, 2, schedule).windows(20, step=1)
    assert [(window[0], window[-1]) for window in made] == ends


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_place_is_answered_at_every_step(schedule: str):
    for size in (9, 20, 33):
        for stride in (1, 3):
            for step in range(5):
                windows = ContextWindows(8, 2, schedule, stride).windows(size, step)
                assert {place for window in windows for place in window} == set(range(size))
                assert all(len(set(window)) == len(window) for window in windows)


def test_places_count_as_their_fusion_says():
    middle, start = tuple(range(6, 14)), tuple(range(8))
    assert ContextWindows(8, 2).weights(middle, 20).tolist() == [1, 2, 3, 4, 4, 3, 2, 1]
    linear = ContextWindows(8, 2, fusion="overlap-linear")
    assert linear.weights(start, 20).tolist() == pytest.approx([1] * 7 + [0])
    assert linear.weights(middle, 20).tolist() == pytest.approx([0, *[1] * 6, 0])
    relative = ContextWindows(8, 2, fusion="relative").weights(middle, 20)
    assert float(relative.argmax()) in (3, 4) and float(relative[0]) < 0.02


class Pointwise:
    """A network whose answer at a place depends on nothing else; it counts what it was asked."""

    parametrisation, device, dtype = Parametrisation.EPS, torch.device("cpu"), torch.float32
    levels = flux_levels()
    latent_format = LatentFormat()

    def __init__(self, answer: Callable[[Tensor], Tensor] = torch.sin) -> None:
        self.asked: list[torch.Size] = []
        self.answer = answer

    def __call__(self, latents: Tensor, timestep: Tensor, context: Tensor, **_more: object) -> Tensor:
        self.asked.append(latents.shape)
        return self.answer(latents)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("axis", [2, 3])
def test_what_needs_no_neighbours_stays_as_it_is(fusion: str, axis: int):
    network, latents = Pointwise(), torch.randn(1, 4, 20, 20)
    seen = ContextWindows(8, 2, "standard_uniform", fusion=fusion, axis=axis).wrap(network, lambda: 3.0, {})
    made = seen(latents, torch.zeros(1), torch.zeros(1, 1, 1))
    assert torch.allclose(made, latents.sin(), atol=1e-5)
    assert {shape[axis] for shape in network.asked} == {8}


def test_what_fits_a_window_and_a_batch_are_asked_whole():
    fits, batch = torch.randn(1, 4, 8, 30), torch.randn(3, 4, 2, 2)
    for rule, latents in ((ContextWindows(8, 2), fits), (ContextWindows(1, 0, axis=0), batch)):
        network = Pointwise(lambda latents: latents.cumsum(-1))
        made = rule.wrap(network, lambda: 1.0, {})(latents, torch.zeros(len(latents)), torch.zeros(1, 1, 1))
        assert torch.equal(made, latents.cumsum(-1))
        assert network.asked == [latents.shape]


def test_an_axis_that_is_not_there_is_told():
    seen = ContextWindows(8, 2, axis=5).wrap(Pointwise(), lambda: 1.0, {})
    with pytest.raises(DiffusionError, match="axis 5"):
        seen(torch.zeros(1, 4, 9, 9), torch.zeros(1), torch.zeros(1, 1, 1))


def test_nodes_put_them_on_a_model_in_latents():
    model = Model(CheckpointRef(Path("x"), "x"))
    ctx: Any = None
    made = context_windows_manual.run(ctx, model=model, context_schedule="batched", dim=3)
    assert made.rules == (ContextWindows(16, 4, "batched", axis=3),)  # type: ignore[union-attr]
    wan = wan_context_windows_manual.run(ctx, model=model, context_schedule="batched")
    assert wan.rules == (ContextWindows(21, 8, "batched"),)  # type: ignore[union-attr]
    with pytest.raises(NodeError, match="freenoise"):
        context_windows_manual.run(ctx, model=model, context_schedule="batched", freenoise=True)
