"""On a processor an answer is the same to the bit whatever it is grouped with, whatever its condition carries."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nodes.diffusion.gligen import Boxes, Gligen
from nodes.diffusion.guidance import Guided
from nodes.diffusion.guidance.caching import EasyCache
from nodes.diffusion.guidance.pieces import FindControl
from nodes.diffusion.guidance.planning import Piece, grouped
from nodes.diffusion.guidance.steering import Steering
from nodes.diffusion.models.load import load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.noise import SeededNoise
from nodes.diffusion.pool import Pool, Session
from nodes.diffusion.resembling import Seen
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.values import Area, Cond, ControlNet, ControlUse, Hook, HookGroup, Latent, Model
from nodes.diffusion.vision_values import ClipVisionOutput
from tests.diffusion.models import tiny
from tests.diffusion.models.test_gligen import BOXES, SIGMA, files
from tests.diffusion.models.test_hooks import lora
from tests.diffusion.models.test_transformers import CASES, tiny_network
from tests.diffusion.sampling.test_conditions import partitions, prompt, same, unet

__all__ = ["files", "lora"]  # fixtures of other files

BATCH, HEIGHT, WIDTH = 2, 8, 10
PICTURE = torch.rand(1, 4, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(5))


@dataclass(frozen=True)
class Told:
    """A network, and what three conditions of it carry; with none of it the positive side answers otherwise.

    Attributes:
        positive_alone: the negative side does not carry it.
    """

    network: LoadedNetwork
    carried: Mapping[str, Any] = field(default_factory=dict)
    controls: FindControl | None = None
    cond: Callable[[int], Cond] = prompt
    positive_alone: bool = False
    channels: int = 4
    sigma: Tensor = SIGMA


Make = Callable[[Session, pytest.FixtureRequest], Told]


def text(seed: int) -> Cond:
    return Cond(torch.randn(1, 7, tiny.CONTEXT, generator=torch.Generator().manual_seed(seed)))


def reference(request: pytest.FixtureRequest, name: str) -> Any:
    return request.getfixturevalue("hashes").reference(request.getfixturevalue(name))


def masks(_: Session, __: pytest.FixtureRequest) -> Told:
    mask = torch.linspace(0, 1, WIDTH * 8).expand(1, HEIGHT * 8, -1)
    return Told(unet(), {"mask": mask, "area": Area(HEIGHT, 6, 0, 2), "strength": 0.7}, positive_alone=True)


def control(models: Session, request: pytest.FixtureRequest) -> Told:
    hint = torch.rand(1, HEIGHT * 8, WIDTH * 8, 3, generator=torch.Generator().manual_seed(6))
    use = ControlUse(ControlNet(reference(request, "control_file")), hint, 0.8)
    network = models.network(Model(reference(request, "model_file")))
    return Told(network, {"controls": (use,)}, models.control, text)


def hooks(models: Session, request: pytest.FixtureRequest) -> Told:
    hook = HookGroup((Hook(reference(request, "lora"), 0.5, 0.0),))
    network = models.network(Model(reference(request, "model_file")))
    return Told(network, {"hooks": hook}, None, text, positive_alone=True)


def boxes(models: Session, request: pytest.FixtureRequest) -> Told:
    hashes = request.getfixturevalue("hashes")
    model, gates = (hashes.reference(path) for path in request.getfixturevalue("files"))
    told = Boxes(Gligen(gates), BOXES[:1])
    return Told(models.network(Model(model)), {"extra": {"gligen": told}}, None, text)


def edited(_: Session, __: pytest.FixtureRequest) -> Told:
    """A picture to be edited by words (InstructPix2Pix)."""
    return Told(unet(in_channels=8), {"extra": {"concat_latent_image": PICTURE}})


def resembled(_: Session, __: pytest.FixtureRequest) -> Told:
    """A picture to resemble (unCLIP)."""
    network = unet(class_embed_type="projection", projection_class_embeddings_input_dim=24)
    vision = ClipVisionOutput(torch.linspace(-2, 2, 12)[None], torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))
    shown = {"clip_vision_output": vision, "strength": 1.0, "noise_augmentation": 0.1}
    seen = replace(network, seen=Seen(torch.zeros(12), torch.ones(12)))
    return Told(seen, {"extra": {"unclip_conditioning": [shown]}})


def referring(_: Session, request: pytest.FixtureRequest) -> Told:
    """A picture to refer to, by Flux."""
    case = next(case for case in CASES if case.name == "FLUX.1")
    folder: Path = request.getfixturevalue("tmp_path")
    tiny_network(case).save_pretrained(folder / "transformer")  # type: ignore[operator]
    network = load_network(folder, request.getfixturevalue("placement"))
    pooled, channels = case.inputs.pooled, case.latents[1]
    assert pooled is not None
    shown = torch.randn(1, channels, 4, 6, generator=torch.Generator().manual_seed(4))

    def cond(seed: int) -> Cond:
        context = torch.randn(1, 5, case.text_width, generator=torch.Generator().manual_seed(seed))
        return Cond(context, pooled[:1])

    carried = {"extra": {"reference_latents": [shown]}}
    return Told(network, carried, None, cond, channels=channels, sigma=torch.tensor(case.sigma))


@pytest.fixture(scope="module")
def models(placement) -> Iterator[Session]:
    with Pool(placement, 10**9).session() as session:
        yield session


@pytest.mark.parametrize("make", [masks, control, hooks, boxes, edited, resembled, referring])
def test_every_grouping_of_what_is_told_gives_the_same_bytes(make: Make, models: Session, request):
    told = make(models, request)
    shape = BATCH, told.channels, HEIGHT, WIDTH
    latents = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    first, second, negative = (told.cond(seed) for seed in (1, 2, 3))
    positive = (replace(first, **told.carried), replace(second, **told.carried))
    sides = positive, (negative if told.positive_alone else replace(negative, **told.carried),)

    def answered(asked: Tensor, grouping: Grouping = grouped, plain: bool = False) -> Sequence[Tensor]:
        steering = Steering(told.network, (), told.controls)
        steering.start(9, shape)
        steering.conditioned.grouping = grouping
        return steering.conditioned.sides(
            asked, told.sigma, ((first, second), (negative,)) if plain else sides
        )

    usual = answered(latents)
    assert not torch.allclose(usual[0], answered(latents, plain=True)[0], atol=1e-3)
    counts: list[int] = []
    number = 0
    while not counts or number < counts[-1]:

        def chosen(pieces: Sequence[Piece], number: int = number) -> Sequence[Sequence[Piece]]:
            every = groupings(pieces)
            counts.append(len(every))
            return every[number]

        assert same(answered(latents, chosen), usual)
        number += 1
    assert number >= 2
    for item in range(BATCH):  # and each image is that of a run of its own
        alone = answered(latents[item : item + 1])
        assert same(alone, [side[item : item + 1] for side in usual])


Grouping = Callable[[Sequence[Piece]], Sequence[Sequence[Piece]]]


def groupings(pieces: Sequence[Piece]) -> list[list[list[Piece]]]:
    """Every way to ask together what can be asked together."""
    parts = [list(partitions(group)) for group in grouped(pieces)]
    return [list(chain(*choice)) for choice in product(*parts)]


def test_a_cache_of_steps_reuses_for_each_image_what_a_run_of_its_own_would():
    network = unet()
    sigmas = torch.tensor([8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.0, 0.0])

    def made(seed: int, count: int, *rules: Any) -> Tensor:
        guided = Guided(network, (prompt(1),), (prompt(4),), 3.0, None, rules)
        run = Run("euler", sigmas, seed, SeededNoise(seed, per_image=True))
        *_, step = sample(guided, Latent(torch.zeros(count, 4, HEIGHT, WIDTH)), run)
        return step.latents

    cache = EasyCache(0.2, 0.0, 1.0)
    batch = made(5, 2, cache)
    assert same(list(batch), [made(5 + number, 1, cache)[0] for number in range(2)])
    assert not torch.equal(batch, made(5, 2))  # it did save calls
