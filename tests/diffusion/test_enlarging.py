"""Pictures enlarged tile by tile: no seams, sizes and tiles as told, and what happens where memory is short."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.enlarging import enlarged, spans
from nodes.diffusion.errors import DiffusionError


class Doubling:
    """Makes each pixel four; has no memory for more than `limit` pixels a side."""

    scale = 2

    def __init__(self, limit: int = 10**6) -> None:
        self.limit = limit
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, planes: Tensor) -> Tensor:
        if max(planes.shape[-2:]) > self.limit:
            raise torch.OutOfMemoryError("too much")
        self.asked.append(tuple(planes.shape))
        return F.interpolate(planes, scale_factor=2.0)


def quiet(*_said: object) -> None: ...


def picture(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(2))


def ends(side: int) -> Sequence[tuple[int, int]]:
    return [(span.start, span.stop) for span in spans(side, 512)]


def test_tiles_overlap_and_the_last_is_shorter():
    assert ends(512) == [(0, 512)]
    assert ends(1000) == [(0, 512), (480, 992), (960, 1000)]
    assert ends(1472) == [(0, 512), (480, 992), (960, 1472)]


def test_a_small_picture_is_one_pass_and_each_of_a_batch_is_alone():
    network = Doubling()
    image = picture(2, 20, 30, 4)
    made = enlarged(network, image, quiet, quiet)
    assert network.asked == [(1, 3, 20, 30)] * 2
    assert torch.equal(made, image[..., :3].repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_tiles_leave_no_seam_and_tell_how_far_they_are():
    told: list[tuple[int, int]] = []
    image = picture(1, 600, 700, 3)
    made = enlarged(Doubling(), image, quiet, lambda done, total: told.append((done, total)))
    assert told == [(count, 4) for count in range(1, 5)]
    assert torch.allclose(made, image.repeat_interleave(2, 1).repeat_interleave(2, 2), atol=1e-6)


def test_too_little_memory_makes_smaller_tiles_and_says_so():
    said: list[str] = []
    network = Doubling(limit=300)
    image = picture(1, 400, 320, 3)
    made = enlarged(network, image, said.append, quiet)
    assert said == ["There was too little memory: the picture is enlarged in tiles of 256 pixels."]
    assert max(max(shape[-2:]) for shape in network.asked) == 256
    assert torch.allclose(made, image.repeat_interleave(2, 1).repeat_interleave(2, 2), atol=1e-6)


def test_where_not_even_small_tiles_fit_the_error_says_what_to_do():
    with pytest.raises(DiffusionError, match=r"even in tiles of 128 pixels\. Close other programs"):
        enlarged(Doubling(limit=100), picture(1, 400, 320, 3), quiet, quiet)


def test_a_picture_without_colours_is_refused():
    with pytest.raises(DiffusionError, match="1 channels, and upscale models read 3"):
        enlarged(Doubling(), picture(1, 4, 4, 1), quiet, quiet)
