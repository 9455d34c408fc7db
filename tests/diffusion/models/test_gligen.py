"""GLIGEN: boxes as diffusers' own gated U-Net reads them, from a file of its authors' layout to a guided estimate."""

from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from nodes.diffusion.errors import CheckpointUnknown, DiffusionError
from nodes.diffusion.gligen import Box, Boxes, Gligen
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models import unet_shape
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.gligen import LoadedGligen, load_gligen
from nodes.diffusion.models.load import Placement
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Area, Cond, Model
from tests.diffusion.models.tiny import CONTEXT, UNET, original_unet, seeded

SIGMA = from_betas(scaled_linear_betas()).sigmas[500]
CHANCE = torch.Generator().manual_seed(11)
LATENTS = torch.randn(2, 4, 16, 12, generator=CHANCE)
TEXTS = [Cond(torch.randn(1, 7, CONTEXT, generator=CHANCE)) for _ in range(2)]
WORDS = torch.randn(2, CONTEXT, generator=CHANCE)
BOXES = (Box(WORDS[:1], 8, 6, 2, 3), Box(WORDS[1:], 16, 12, 0, 0))


def gated() -> UNet2DConditionModel:
    kinds = ("UpBlock2D", "CrossAttnUpBlock2D")
    module = seeded(UNet2DConditionModel(up_block_types=kinds, attention_type="gated", **UNET), 6)
    for name, parameter in module.named_parameters():
        if "alpha_" in name:
            parameter.fill_(0.8)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The network without its gates in one file, the gates in another."""
    folder, module = tmp_path_factory.mktemp("gligen"), gated()
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    names = unet_shape.original_names(
        unet_shape.diffusers_shape({name: shape for name, shape in shapes.items() if ".fuser." not in name})
    )
    fusers = {name for name in shapes if ".fuser." in name}
    places = {name for name in shapes if name.startswith("position_net.")}
    back = {ours: theirs for theirs, ours in names.items()}
    whole = module.state_dict()
    gates = {name: whole[name].clone() for name in places}
    for name in fusers:
        theirs = unet_shape.renamed(name, back)
        assert theirs is not None
        gates[theirs] = whole[name].clone()
    plain = UNet2DConditionModel(up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **UNET)
    plain.load_state_dict({name: whole[name] for name in plain.state_dict()})
    save_file(original_unet(plain, names, "model.diffusion_model."), folder / "model.safetensors")
    save_file(gates, folder / "gligen.safetensors")
    return folder / "model.safetensors", folder / "gligen.safetensors"


def expected(text: Cond, latents: torch.Tensor, boxes: tuple[Box, ...]) -> torch.Tensor:
    """The estimate of diffusers' own gated U-Net; without boxes its gates stay out of it."""
    scaled = latents / (SIGMA**2 + 1.0) ** 0.5
    timestep = from_betas(scaled_linear_betas()).timestep(SIGMA.reshape(1))
    height, width = latents.shape[-2:]
    corners, words, shown = torch.zeros(1, 30, 4), torch.zeros(1, 30, CONTEXT), torch.zeros(1, 30)
    for index, box in enumerate(boxes):
        right, bottom = (box.x + box.width) / width, (box.y + box.height) / height
        corners[0, index] = torch.tensor([box.x / width, box.y / height, right, bottom])
        words[0, index], shown[0, index] = box.words[0], 1.0
    count = len(latents)
    told = {"boxes": corners, "positive_embeddings": words, "masks": shown}
    told = {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in told.items()}
    with torch.no_grad():
        noise = gated()(
            scaled,
            timestep,
            text.context.expand(count, -1, -1),
            cross_attention_kwargs={"gligen": told} if boxes else None,
        ).sample
    return latents - noise * SIGMA


def test_boxes_are_read_as_the_gated_network_of_diffusers_reads_them(
    files: tuple[Path, Path], placement: Placement, hashes: ContentHashes
):
    model, gates = (hashes.reference(path) for path in files)
    boxes = Boxes(Gligen(gates)).with_box(Gligen(gates), BOXES[0]).with_box(Gligen(gates), BOXES[1])
    with pool_session(placement) as models:
        network = models.network(Model(model))
        guided = Guided(network, (TEXTS[0].with_extra({"gligen": boxes}),), (TEXTS[1],), 3.0)
        positive, negative = guided.sides(LATENTS, SIGMA, [guided.positive, guided.negative])
        torch.testing.assert_close(positive, expected(TEXTS[0], LATENTS, BOXES), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(negative, expected(TEXTS[1], LATENTS, ()), rtol=1e-4, atol=1e-4)
        assert (positive - expected(TEXTS[0], LATENTS, ())).abs().max() > 0.05
        assert (positive - expected(TEXTS[0], LATENTS, BOXES[:1])).abs().max() > 0.01
        again = Guided(network, (TEXTS[0],), (), 1.0)(LATENTS, SIGMA)  # nothing of it stays on the network
        torch.testing.assert_close(again, expected(TEXTS[0], LATENTS, ()), rtol=1e-4, atol=1e-4)


def test_boxes_count_with_areas_where_their_condition_counts(
    files: tuple[Path, Path], placement: Placement, hashes: ContentHashes
):
    model, gates = (hashes.reference(path) for path in files)
    boxes = Boxes(Gligen(gates), BOXES[:1])
    left = Cond(TEXTS[0].context, area=Area(16, 6, 0, 0), extra={"gligen": boxes})
    right = Cond(TEXTS[1].context, area=Area(16, 6, 0, 6))
    with pool_session(placement) as models:
        made = Guided(models.network(Model(model)), (left, right), (), 1.0)(LATENTS, SIGMA)
    halves = (
        expected(TEXTS[0], LATENTS[..., :6], BOXES[:1]),
        expected(TEXTS[1], LATENTS[..., 6:], ()),
    )
    torch.testing.assert_close(made, torch.cat(halves, -1), rtol=1e-4, atol=1e-4)


def pool_session(placement: Placement):
    return Pool(placement, 2**30).session()


def test_words_of_another_model_and_other_sizes_are_refused(files: tuple[Path, Path], placement: Placement):
    loaded: LoadedGligen = load_gligen(files[1], placement)
    with pytest.raises(DiffusionError, match="words of 64 features, and is given 8"):
        loaded.changes([Box(torch.zeros(1, 8), 1, 1, 0, 0)], LATENTS)
    from nodes.diffusion.changes import Place, Way

    (look,) = loaded.changes(BOXES, LATENTS).between
    place = Place(Way.INPUT, 1, 0, cross=False)
    with pytest.raises(DiffusionError, match="another size"):
        look(place, torch.zeros(1, 4, 64))
    hidden = torch.zeros(1, 4, 64)
    assert look(Place(Way.INPUT, 5, 0, cross=False), hidden) is hidden


def test_other_files_are_refused(files: tuple[Path, Path], placement: Placement):
    with pytest.raises(CheckpointUnknown, match="gated attention"):
        load_gligen(files[0], placement)
