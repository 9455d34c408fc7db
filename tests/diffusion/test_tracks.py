"""Tracks go where they are told, side by side, and are seen when the mask says."""

import torch

from nodes.diffusion.tracks import along, beside, seen


def test_a_curve_begins_and_ends_where_it_is_told_and_bends_toward_the_middle():
    path, direction = along(((0.0, 0.0), (10.0, 0.0), (10.0, 10.0)), 11, "linear")
    assert torch.allclose(path[[0, 5, 10]], torch.tensor([[0.0, 0.0], [7.5, 2.5], [10.0, 10.0]]))
    assert torch.allclose(direction[[0, 10]], torch.tensor([[20.0, 0.0], [0.0, 20.0]]))


def test_slow_at_the_ends_is_half_way_in_the_middle():
    for easing, share in (("ease_in", 0.25), ("ease_out", 0.75), ("ease_in_out", 0.5), ("constant", 0.0)):
        path, _ = along(((0.0, 0.0), (4.0, 8.0)), 3, easing)
        assert torch.allclose(path[1], torch.tensor([4.0, 8.0]) * share)


def test_tracks_lie_across_the_way_also_where_there_is_none():
    path, direction = along(((0.0, 0.0), (0.0, 8.0)), 2, "linear")
    assert torch.allclose(beside(path, direction, 3, 2.0)[0, :, 0], torch.tensor([2.0, 0.0, -2.0]))
    path, direction = along(((1.0, 1.0), (1.0, 1.0)), 2, "linear")
    assert torch.allclose(beside(path, direction, 3, 2.0)[0, :, 1], torch.tensor([-1.0, 1.0, 3.0]))


def test_an_empty_mask_hides_all_tracks_of_its_frame():
    mask = torch.zeros(2, 4, 4)
    mask[1, 2, 2] = 0.5
    assert seen(mask, 2, 5).tolist() == [[False], [True]]
    assert seen(None, 2, 3).all()
