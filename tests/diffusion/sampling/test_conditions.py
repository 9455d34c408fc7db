"""What acts beside the text: bounds of masks, conditions that fill, sizes, pictures to start from, groups of calls."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from nodes.diffusion.conditions import BLANK, inputs_of, joined
from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.errors import ContextMismatch, NothingSaid
from nodes.diffusion.guidance import Guided
from nodes.diffusion.guidance.pieces import Conditioned
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.families.unets import SD1
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.noise import SeededNoise
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.regions import bounded, rectangle, weight
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.values import Area, Cond, Latent
from nodes.diffusion.waves import numbers_embedding
from tests.diffusion.models.tiny import seeded
from tests.diffusion.sampling.test_guidance import SIGMA, ZERO, Echo, cond, estimate

MISC = json.loads((Path(__file__).parents[2] / "data" / "golden" / "misc.json").read_text("utf-8"))
WHOLE = rectangle(None, 16, 16)


@pytest.mark.parametrize("number", list(MISC["timestep_embed"]))
def test_a_number_becomes_the_recorded_waves(number: str):
    expected = MISC["timestep_embed"][number]
    made = numbers_embedding(torch.tensor([[float(number)]]))
    assert list(made.shape) == expected["shape"]
    assert made[0, :8].tolist() == pytest.approx(expected["first8"], abs=1e-5)
    assert made[0, -4:].tolist() == pytest.approx(expected["last4"], abs=1e-5)
    assert float(made.mean()) == pytest.approx(expected["mean"], abs=1e-5)
    assert numbers_embedding(torch.tensor([[1.0, 2.0]])).shape == (1, 512)


def box(top: int, left: int, bottom: int, right: int, side: int = 16) -> Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, top:bottom, left:right] = 1.0
    return mask


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (box(2, 3, 14, 13), (2, 3, 14, 13)),
        (box(4, 4, 6, 16), (4, 4, 12, 16)),  # at least 8 latents a side
        (box(12, 12, 14, 14), (12, 12, 16, 16)),  # and what sticks out is cut off
        (box(0, 0, 0, 0), (0, 0, 8, 8)),
        (box(8, 8, 32, 32, side=64), (2, 2, 10, 10)),  # at the latents' size
    ],
)
def test_the_bounds_of_a_mask(mask: Tensor, expected: tuple[int, ...]):
    area = bounded(cond(1.0, mask=mask, to_bounds=True), 16, 16).area
    place = rectangle(area, 16, 16)
    assert (place.top, place.left, place.bottom, place.right) == expected
    assert bounded(cond(1.0, mask=mask), 16, 16).area is None


def test_a_mask_with_bounds_says_the_same_as_one_without():
    mask = box(2, 3, 14, 13)
    plain, held = (estimate(cond(1.0), cond(3.0, mask=mask, to_bounds=on)) for on in (False, True))
    assert torch.allclose(plain, held, atol=1e-5)


def test_two_areas_fade_into_each_other():
    left, right = (Area(1.0, 0.75, 0.0, at, relative=True) for at in (0.0, 0.25))
    made = estimate(cond(0.0, area=left), cond(1.0, area=right))[0, 0, 8]
    rises = made[4:12]
    assert torch.allclose(made[:4], torch.tensor(0.0), atol=1e-4)
    assert torch.allclose(made[12:], torch.tensor(1.0), atol=1e-4)
    assert torch.all(rises[1:] >= rises[:-1] - 1e-5)
    expected = [
        1 / 3 / (1 + 1 / 3),
        2 / 3 / (1 + 2 / 3),
        0.5,
        0.5,
        0.5,
        0.5,
        1 / (1 + 2 / 3),
        1 / (1 + 1 / 3),
    ]
    assert rises.tolist() == pytest.approx(expected, abs=1e-4)


def test_strength_weighs_areas_against_each_other():
    area = Area(1.0, 1.0, 0.0, 0.0, relative=True)
    made = estimate(cond(0.0, area=area, strength=1.0), cond(1.0, area=area, strength=3.0))
    assert torch.allclose(made, torch.tensor(0.75), atol=1e-4)


def test_an_area_too_small_for_the_latents_is_one_of_them():
    place = rectangle(Area(0.0, 0.0, 0.5, 0.5, relative=True), 16, 16)
    assert place.size == 1


def test_a_condition_that_fills_counts_where_others_leave_room():
    mask = torch.full((1, 16, 16), 0.25)
    mask[..., :8] = 1.0
    made = estimate(cond(1.0, mask=mask), cond(5.0, fills=True))[0, 0, 0]
    assert torch.allclose(made[:7], torch.tensor(1.0), atol=1e-4)
    assert torch.allclose(made[9:], torch.tensor(0.25 * 1.0 + 0.75 * 5.0), atol=1e-4)
    network = Echo()
    Guided(network, (cond(1.0), cond(5.0, fills=True)), (), 1.0)(ZERO, SIGMA)
    assert network.batches == [1]


def test_sizes_are_the_picture_s_own_where_nobody_says_them():
    form = LatentFormat()
    plain = inputs_of(cond(1.0), 0, ZERO, WHOLE, form)
    assert plain.sizes is not None and plain.beauty is not None
    assert plain.sizes[0].tolist() == [128, 128, 0, 0, 128, 128] and float(plain.beauty[0]) == 6.0
    said = cond(1.0).with_extra(
        {"width": 64, "height": 32, "crop_w": 8, "target_width": 100, "aesthetic_score": 7.0}
    )
    told = inputs_of(said, 1, ZERO, WHOLE, form)
    assert told.sizes is not None and told.beauty is not None
    assert told.sizes[0].tolist() == [32, 64, 0, 8, 32, 100] and float(told.beauty[0]) == 7.0
    assert float(inputs_of(cond(1.0), 1, ZERO, WHOLE, form).beauty[0]) == 2.5  # type: ignore[index]


def test_an_inpainting_network_reads_a_mask_and_what_it_leaves():
    form = LatentFormat(scale=2.0, joined=5)
    nothing = joined({}, ZERO, WHOLE, form)
    assert nothing is not None and torch.equal(nothing[:, :1], torch.ones(1, 1, 16, 16))
    assert nothing[0, 1:, 0, 0].tolist() == pytest.approx(BLANK)
    extra = {
        "concat_mask": torch.full((1, 1, 128, 128), 0.6),
        "concat_latent_image": torch.full((1, 4, 16, 16), 3.0),
    }
    made = joined(extra, torch.zeros(2, 4, 16, 16), rectangle(Area(8, 8, 0, 8), 16, 16), form)
    assert made is not None and made.shape == (2, 5, 8, 8)
    assert torch.all(made[:, 0] == 1.0) and torch.all(made[:, 1:] == 6.0)


def test_an_editing_network_reads_the_picture_and_an_upscaler_its_colours():
    picture, colours = torch.rand(1, 4, 16, 16), torch.rand(1, 3, 16, 16)
    extra: dict[str, object] = {"concat_latent_image": picture, "concat_image": colours}
    assert torch.equal(joined(extra, ZERO, WHOLE, LatentFormat(joined=4)), picture)  # type: ignore[arg-type]
    read = joined(extra, ZERO, WHOLE, LatentFormat(joined=3))
    assert (
        read is not None and 0.001 < float((read - colours).abs().max()) < 0.06
    )  # trained on a little noise at least
    noisy = joined(extra | {"noise_augmentation": 1.0}, ZERO, WHOLE, LatentFormat(joined=3))
    assert noisy is not None and 0.6 < float(noisy.std()) < 1.3
    assert joined(extra, ZERO, WHOLE, LatentFormat()) is None


def unet(**settings: Any) -> LoadedNetwork:
    sizes = {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 8,
        "attention_head_dim": 8,
    }
    kinds = {
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    module = seeded(UNet2DConditionModel(**sizes, **kinds, **settings))
    form = LatentFormat(joined=settings.get("in_channels", 4) - 4)
    cpu = torch.device("cpu")
    return LoadedNetwork(
        module, SD1, Parametrisation.EPS, from_betas(scaled_linear_betas()), form, cpu, torch.float32
    )


def prompt(seed: int, tokens: int = 7, **more: Any) -> Cond:
    chance = torch.Generator().manual_seed(seed)
    return Cond(torch.randn(1, tokens, 8, generator=chance), torch.randn(1, 16, generator=chance), **more)


def test_the_picture_that_is_shown_changes_what_an_inpainting_network_says():
    network, latents = (
        unet(in_channels=9),
        torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)),
    )
    shown = prompt(1).with_extra(
        {"concat_latent_image": torch.ones(1, 4, 8, 8), "concat_mask": torch.zeros(1, 1, 64, 64)}
    )
    plain, told = (Guided(network, (one,), (), 1.0)(latents, SIGMA) for one in (prompt(1), shown))
    assert not torch.allclose(plain, told)


@pytest.mark.parametrize(("numbers", "name"), [(6, "width"), (5, "aesthetic_score")])
def test_a_network_that_was_told_sizes_hears_them(numbers: int, name: str):
    settings = {
        "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 16 + 256 * numbers,
    }  # fmt: skip
    network, latents = unet(**settings), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    made = [
        Guided(network, (prompt(1).with_extra(extra),), (), 1.0)(latents, SIGMA)
        for extra in ({}, {name: 900}, {name: 900})
    ]
    assert not torch.allclose(made[0], made[1]) and torch.equal(made[1], made[2])


def test_text_for_another_family_is_refused_in_words():
    with pytest.raises(ContextMismatch, match="Connect the CLIP of the same checkpoint"):
        Guided(unet(), (Cond(torch.zeros(1, 77, 2048)),), (), 1.0)(torch.zeros(1, 4, 8, 8), SIGMA)


def test_an_empty_conditioning_is_refused_in_words():
    with pytest.raises(NothingSaid, match="The positive conditioning is empty"):
        estimate(negative=(cond(1.0),), scale=2.0)


def test_on_a_processor_memory_never_decides_what_is_asked_together():
    network, latents = unet(), torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    half = Area(16, 8, 0, 8)
    sides = ((prompt(1), prompt(2, tokens=14), prompt(3, area=half)), (prompt(4),))
    made, calls = [], []
    for _ in range(3):
        conditioned = Conditioned(network)
        made.append(conditioned.sides(latents, SIGMA, sides))
        calls.append(conditioned.calls)
    assert calls[0] == calls[1] == calls[2] == ((1, 0, 0), (1, 0))
    assert all(
        torch.equal(one, other) for again in made[1:] for one, other in zip(made[0], again, strict=True)
    )


@pytest.mark.parametrize("room", [1, 2, 4, 100])
def test_whatever_there_is_room_for_the_answer_is_the_same_to_the_bit(room: int):
    network, latents = unet(), torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    sides = ((prompt(1), prompt(2, tokens=14), prompt(3, area=Area(16, 8, 0, 8))), (prompt(4),))
    usual = Conditioned(network).sides(latents, SIGMA, sides)
    conditioned = Conditioned(network, room=lambda _: room)
    assert same(conditioned.sides(latents, SIGMA, sides), usual)
    assert max(len(call) for call in conditioned.calls) == min(max(room // 2, 1), 3)


def same(ones: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether the bytes are the same."""
    made = [[tensor.numpy().tobytes() for tensor in side] for side in (ones, others)]
    return made[0] == made[1]


def partitions(things: Sequence[Any]) -> Iterator[list[list[Any]]]:
    """Every way to put things into groups."""
    if not things:
        yield []
        return
    for rest in partitions(things[1:]):
        yield [[things[0]], *rest]
        for number, group in enumerate(rest):
            yield [*rest[:number], [things[0], *group], *rest[number + 1 :]]


def test_every_grouping_gives_the_same_bytes():
    network, latents = unet(), torch.randn(1, 4, 9, 11, generator=torch.Generator().manual_seed(0))
    area = Area(9, 6, 0, 3)
    sides = ((prompt(1, tokens=14), prompt(2, tokens=21, area=area)), (prompt(3),))
    usual = Conditioned(network).sides(latents, SIGMA, sides)
    orders = set()
    for number in range(15):  # Bell's number of 4: the negative side has the area too
        grouping = partial(chosen, number)
        conditioned = Conditioned(network, grouping=grouping)
        assert same(conditioned.sides(latents, SIGMA, sides), usual)
        orders.add(conditioned.calls)
    assert ((0, 0, 1, 1),) in orders and len(orders) > 5


def chosen(number: int, pieces: Sequence[Any]) -> list[list[Any]]:
    groups = list(partitions(pieces))
    assert len(groups) == 15
    return groups[number]


@pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_2m_sde", "uni_pc"])
def test_an_image_of_a_batch_is_to_the_bit_that_of_a_run_of_its_own(sampler: str):
    network = unet()
    guided = Guided(network, (prompt(1), prompt(2, tokens=14, area=Area(9, 6, 0, 3))), (prompt(4),), 3.0)
    sigmas = torch.tensor([8.0, 3.0, 1.0, 0.0])

    def made(seed: int, count: int) -> Tensor:
        run = Run(sampler, sigmas, seed, SeededNoise(seed, per_image=True))
        return last(guided, Latent(torch.zeros(count, 4, 9, 11)), run)

    assert same(list(made(5, 3)), [made(5 + number, 1)[0] for number in range(3)])


def last(guided: Guided, latent: Latent, run: Run) -> Tensor:
    *_, step = sample(guided, latent, run)
    return step.latents


def test_weights_of_a_mask_are_its_values_times_both_strengths():
    mask = torch.full((1, 16, 16), 0.5)
    made = weight(cond(1.0, mask=mask, strength=2.0, mask_strength=3.0), ZERO)
    assert torch.all(made == 3.0)
