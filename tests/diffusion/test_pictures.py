"""Pictures and masks as tensors: laws and known answers."""

import pytest
import torch
from torch import Tensor

from nodes.diffusion.batches import held, regrouped, repeated
from nodes.diffusion.eight_bit import average_hash, from_pillow, similarity, to_pillow
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.pictures.blending import MODES, OPERATORS, blended, composited
from nodes.diffusion.pictures.colour import (
    from_packed,
    from_yuv,
    packed,
    to_yuv,
    with_colours_of,
    without_alpha,
)
from nodes.diffusion.pictures.filters import filtered, gaussian, sharpening
from nodes.diffusion.pictures.layout import (
    feathered,
    grid,
    letterboxed,
    outpainting,
    overlaid,
    stitched,
)
from nodes.diffusion.pictures.morphology import (
    OPERATIONS,
    closed,
    dilated,
    eroded,
    grown_once,
    opened,
)
from nodes.diffusion.pictures.quantize import DITHERS, bayer, quantized


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(3))


def test_a_batch_is_cut_or_starts_over_or_goes_on_with_its_last_item():
    three = torch.arange(3)
    assert repeated(three, 2).tolist() == [0, 1]
    assert repeated(three, 7).tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert held(three, 5).tolist() == [0, 1, 2, 2, 2]
    assert held(three, 2).tolist() == [0, 1, 2]
    with pytest.raises(DiffusionError, match="empty batch"):
        repeated(three[:0], 2)


def test_batches_are_regrouped_in_order():
    batches = [torch.arange(3)[:, None], torch.arange(3, 5)[:, None]]
    assert [group.flatten().tolist() for group in regrouped(batches, 2)] == [[0, 1], [2, 3], [4]]


# --- filters --------------------------------------------------------------------------------------------------------


def test_kernels_have_a_sum_of_one_and_leave_a_plain_picture_alone():
    plain = torch.full((1, 3, 12, 9), 0.3)
    for kernel in (gaussian(4, 0.7), sharpening(4, 0.7, 3.0)):
        assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
        assert torch.allclose(filtered(plain, kernel), plain, atol=1e-5)


def test_a_radius_beyond_the_picture_is_refused_with_what_to_do():
    with pytest.raises(DiffusionError, match="radius of 5 is too large for a picture of 5 x 9"):
        filtered(noise(1, 3, 9, 5), gaussian(5, 1.0))


# --- morphology -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 5, 7])
def test_opening_and_closing_enclose_a_picture_and_change_nothing_twice(size: int):
    planes = noise(2, 3, 20, 17)
    assert (opened(planes, size) <= planes).all()
    assert (closed(planes, size) >= planes).all()
    assert torch.equal(opened(opened(planes, size), size), opened(planes, size))
    assert torch.equal(closed(closed(planes, size), size), closed(planes, size))


@pytest.mark.parametrize("size", [3, 4, 6])
def test_dilation_is_the_greatest_value_in_the_window(size: int):
    planes = noise(1, 1, 9, 8)
    made = dilated(planes, size)
    for row in range(9):
        for column in range(8):
            top, left = max(0, row - size // 2), max(0, column - size // 2)
            window = planes[..., top : row + size - size // 2, left : column + size - size // 2]
            assert made[0, 0, row, column] == window.max()
    assert torch.equal(eroded(planes, size), -dilated(-planes, size))


def test_gradient_and_hats_are_differences():
    planes = noise(1, 3, 12, 12)
    assert torch.equal(OPERATIONS["gradient"](planes, 3), dilated(planes, 3) - eroded(planes, 3))
    assert (OPERATIONS["top_hat"](planes, 3) >= 0).all()
    assert (OPERATIONS["bottom_hat"](planes, 3) >= 0).all()


def test_a_grown_point_is_a_plus_or_a_square():
    point = torch.zeros(1, 5, 5)
    point[0, 2, 2] = 1
    assert grown_once(point, plus=True).sum() == 5
    assert grown_once(point, plus=False).sum() == 9


# --- blending -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("normal", 0.6),
        ("multiply", 0.12),
        ("screen", 0.68),
        ("overlay", 0.24),
        ("soft_light", 0.2 + 0.2 * (((16 * 0.2 - 12) * 0.2 + 4) * 0.2 - 0.2)),
        ("difference", 0.0),  # the darker less the lighter, cut
    ],
)
def test_modes_give_what_the_standard_says(mode: str, expected: float):
    below, above = torch.tensor([0.2]), torch.tensor([0.6])
    assert blended(below, above, mode, 1.0).item() == pytest.approx(expected, abs=1e-6)
    assert blended(below, above, mode, 0.0).item() == pytest.approx(0.2)


def test_all_modes_are_tried():
    assert set(MODES) == {"normal", "multiply", "screen", "overlay", "soft_light", "difference"}


@pytest.mark.parametrize("operator", OPERATORS)
def test_layers_without_alpha_are_as_one_expects(operator: str):
    source, onto = noise(1, 4, 4, 3), noise(1, 4, 4, 3).flip(1)
    whole, nothing = torch.ones(1, 4, 4, 1), torch.zeros(1, 4, 4, 1)
    colours, alpha = composited(source, whole, onto, whole, operator)
    if operator in ("SRC", "SRC_OVER", "SRC_IN", "SRC_ATOP"):
        assert torch.equal(colours, source)
    if operator in ("DST", "DST_OVER", "DST_IN", "DST_ATOP"):
        assert torch.equal(colours, onto)
    if operator in ("CLEAR", "XOR", "SRC_OUT", "DST_OUT"):
        assert not alpha.any()
        assert not colours.any()
    colours, alpha = composited(source, nothing, onto, whole, operator)
    if operator in ("ADD", "SRC_OVER", "DST_OVER", "XOR", "SCREEN", "DARKEN", "DST_OUT"):
        assert torch.equal(colours, onto)
        assert (alpha == 1).all()


# --- colour ---------------------------------------------------------------------------------------------------------


def test_luma_and_chroma_lead_back():
    image = noise(2, 5, 4, 3)
    assert torch.allclose(from_yuv(*to_yuv(image)), image, atol=1e-6)
    luma, blue, red = to_yuv(torch.full((1, 1, 1, 3), 0.4))
    assert (luma.item(), blue.item(), red.item()) == pytest.approx((0.4, 0.5, 0.5))


def test_a_picture_takes_on_the_colours_of_another_as_far_as_said():
    image, reference = noise(2, 12, 10, 4) * 0.2 + 0.4, noise(1, 8, 8, 3) * 0.1 + 0.5
    made = with_colours_of(image, reference, 1.0)
    for plane, wanted in zip(to_yuv(made), to_yuv(reference), strict=True):
        assert torch.allclose(plane.mean((1, 2)), wanted.mean((1, 2)).expand(2), atol=1e-4)
        assert torch.allclose(plane.std((1, 2)), wanted.std((1, 2)).expand(2), atol=1e-4)
    assert torch.equal(made[..., 3], image[..., 3])
    assert torch.equal(with_colours_of(image, reference, 0.0), image)


def test_a_packed_colour_leads_back():
    image = torch.tensor(from_packed(0x12AB7F)).reshape(1, 1, 1, 3)
    assert packed(image).item() == 0x12AB7F


def test_a_picture_without_alpha_is_all_there():
    image = noise(1, 3, 3, 4)
    colours, mask = without_alpha(image)
    assert torch.equal(mask, 1 - image[..., 3])
    assert not without_alpha(colours)[1].any()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_eight_bits_are_cut_not_rounded(channels: int):
    picture = torch.full((2, 2, channels), 0.999)
    assert (from_pillow(to_pillow(picture)) == 254 / 255).all()


def test_a_brighter_copy_looks_alike_and_a_mirrored_one_does_not():
    picture = torch.linspace(0, 0.8, 40)[None, :, None].expand(30, 40, 3)
    assert similarity(average_hash(picture), average_hash(picture + 0.1)) == 1.0
    assert similarity(average_hash(picture), average_hash(picture.flip(1))) < 0.1


@pytest.mark.parametrize("dither", DITHERS)
def test_a_quantized_picture_has_few_colours_and_is_much_as_it_was(dither: str):
    picture = noise(24, 20, 3)
    made = quantized(picture, 16, dither)
    assert len(made.reshape(-1, 3).unique(dim=0)) <= 16
    assert (made.mean() - picture.mean()).abs() < 0.02


def test_a_threshold_pattern_is_even_and_all_its_places_differ():
    for order in (1, 2, 3):
        pattern = bayer(order)
        assert pattern.shape == (2**order, 2**order)
        assert len(pattern.unique()) == 4**order
        assert pattern.max() - pattern.min() < 1.0


# --- layout ---------------------------------------------------------------------------------------------------------


def test_what_is_laid_over_is_cut_at_the_border_and_shows_by_its_mask():
    onto, above = torch.zeros(2, 1, 4, 5), torch.ones(1, 1, 3, 3)
    mask = torch.full((1, 3, 3), 0.25)
    made = overlaid(onto, above, 4, 2, mask)
    assert made.sum() == pytest.approx(2 * 2 * 0.25)
    assert (made[:, :, 2:, 4] == 0.25).all()
    assert torch.equal(overlaid(onto, above, 9, 9), onto)
    assert (overlaid(onto, above, 0, 0, fill=True) == 1).all()


def test_videos_are_laid_over_frame_by_frame():
    onto, above = torch.zeros(1, 4, 3, 6, 6), torch.ones(1, 4, 3, 2, 2)
    mask = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    made = overlaid(onto, above, 16, 0, mask, unit=8)
    assert (made.sum(dim=(0, 1, 3, 4)) == 8).all()
    assert (made[0, 0, :, 0, 2] == 1).all()


def test_an_outpainting_mask_falls_with_the_square_of_the_distance_from_padded_sides():
    image = noise(1, 20, 30, 3)
    canvas, mask = outpainting(image, 8, 0, 0, 0, 4)
    assert torch.equal(canvas[:, :, 8:], image)
    assert (canvas[:, :, :8] == 0.5).all()
    assert mask[0, 3].tolist() == [1.0] * 8 + [1.0, 0.5625, 0.25, 0.0625] + [0.0] * 26
    assert not outpainting(image, 8, 0, 0, 0, 10)[1][:, :, 8:].any()  # it would reach the middle


def test_a_letterboxed_picture_lies_in_the_middle():
    made = letterboxed(torch.full((1, 4, 8, 3), 0.5), 8, 8, "area", 1.0)
    assert (made[:, 2:6] == 0.5).all()
    assert (made[:, :2] == 1).all()
    assert (made[:, 6:] == 1).all()


@pytest.mark.parametrize("direction", ["right", "left", "down", "up"])
def test_stitched_pictures_keep_their_order_and_their_gap(direction: str):
    dark, light = torch.zeros(2, 8, 8, 3), torch.ones(1, 4, 4, 3)
    made = stitched(dark, light, direction, matched=True, spacing=3, colour="red")
    assert made.shape == ((2, 8, 20, 3) if direction in ("right", "left") else (2, 20, 8, 3))
    line = made[1, 4] if direction in ("right", "left") else made[1, :, 4]
    if direction in ("left", "up"):
        line = line.flip(0)
    assert (line[:8] == 0).all()
    assert (line[8:12] == torch.tensor([1.0, 0.0, 0.0])).all()
    assert (line[12:] == 1).all()


def test_a_smaller_picture_is_padded_where_sizes_need_not_match():
    made = stitched(
        torch.zeros(1, 9, 4, 3), torch.ones(1, 4, 4, 3), "right", matched=False, spacing=0, colour="black"
    )
    assert made.shape == (1, 9, 8, 3)
    assert made[0, :, 6, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0]


def test_a_grid_is_filled_row_by_row():
    pictures = [torch.full((5, 7, 3), value) for value in (0.2, 0.4, 0.6)]
    sheet = grid(pictures, 2, 4, 3, 1)
    assert sheet.shape == (1, 7, 9, 3)
    assert sheet[0, 0, 0, 0] == pytest.approx(51 / 255)
    assert sheet[0, 5, 0, 0] == pytest.approx(153 / 255)
    assert not sheet[0, 5, 5:].any()


def test_a_mask_fades_towards_its_sides_and_corners():
    made = feathered(torch.ones(1, 6, 6), 2, 3, 0, 0)
    assert made[0, :, 5].tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])
    assert made[0, 0].tolist() == pytest.approx([1 / 6, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3])
    assert feathered(torch.ones(1, 3, 3), 0, 0, 0, 10)[0, :, 0].tolist() == [
        1.0,
        pytest.approx(2 / 3),
        pytest.approx(1 / 3),
    ]
