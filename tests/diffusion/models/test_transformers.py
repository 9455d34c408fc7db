"""Families of transformers: a file in the field's layout is what diffusers makes of it, and asked as its pipelines ask."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.loaders import single_file_utils
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.conditions import joined
from nodes.diffusion.denoiser import NetworkInputs
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.build import BLOCKS
from nodes.diffusion.models.family import Place, translated
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.regions import rectangle
from tests.diffusion.models.transformers import CASES, CPU, Case, some

PLACEMENT = Placement(CPU, torch.float32, torch.float32)
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def in_a_file(state: dict[str, Tensor], places: Sequence[Place]) -> dict[str, Tensor]:
    """The tensors of a network in the original layout: each place undone."""
    rows: dict[str, list[tuple[int, Tensor]]] = {}
    for place in places:
        tensor = state[place.ours]
        if place.swapped:
            tensor = torch.cat(tensor.chunk(2)[::-1])
        rows.setdefault(place.theirs, []).append((place.rows[0] if place.rows else 0, tensor))
    return {
        name: torch.cat([part for _, part in sorted(parts, key=lambda part: part[0])])
        for name, parts in rows.items()
    }


def tiny_network(case: Case) -> torch.nn.Module:
    torch.manual_seed(0)
    module = case.module(case.tiny).eval().requires_grad_(requires_grad=False)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(0, 0.2)
    return module


def written(case: Case, module: torch.nn.Module, path: Path, prefix: str = "") -> Path:
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    places = case.family.places({name: tuple(tensor.shape) for name, tensor in state.items()})
    save_file({prefix + name: part for name, part in in_a_file(state, places).items()}, path)
    return path


@pytest.mark.parametrize("case", [case for case in CASES if case.file], ids=lambda case: case.name)
def test_a_file_of_the_true_names_becomes_what_diffusers_makes_of_it(case: Case):
    """Rows in true numbers; columns are left out, no layout changes them."""
    with torch.device("meta"):
        module = case.module(case.true)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    made = torch.Generator().manual_seed(1)
    thin = {
        name: torch.randn(shape[0], *(1 for _ in shape[1:]), generator=made) for name, shape in shapes.items()
    }
    stored = in_a_file(thin, case.family.places(shapes))
    if not case.converter:
        assert stored.keys() == shapes.keys()
        return
    columns = {place.theirs: shapes[place.ours][1:] for place in case.family.places(shapes)}
    file_shapes = {name: (len(tensor), *columns[name]) for name, tensor in stored.items()}
    places = case.family.original(file_shapes)
    assert places is not None
    ours = {place.ours: place.read(stored[place.theirs]) for place in places}
    theirs = getattr(single_file_utils, case.converter)(dict(stored))
    assert ours.keys() == theirs.keys() == shapes.keys()
    assert all(torch.equal(ours[name], theirs[name].reshape(ours[name].shape)) for name in ours)
    assert case.family.settings(translated(file_shapes, places)) is not None


@each
@pytest.mark.parametrize("form", ["file", "folder"])
def test_it_is_loaded_by_its_tensors_and_answers_as_in_the_pipeline(case: Case, form: str, tmp_path: Path):
    module = tiny_network(case)
    if form == "folder":
        module.save_pretrained(tmp_path / "transformer")  # type: ignore[operator]
        network = load_network(tmp_path, PLACEMENT)
    elif case.file:
        path = written(case, module, tmp_path / "model.safetensors", "model.diffusion_model.")
        network = load_network(path, PLACEMENT)
    else:
        pytest.skip("its folder alone tells what it is")
    assert network.family.name == case.name
    assert network.parametrisation is case.predicts
    latents, text = some(*case.latents), some(2, 5, case.text_width, seed=3)
    wanted = case.called(module, latents, case.sigma, text, case.inputs)
    timestep = network.levels.timestep(torch.full((2,), case.sigma))
    made = network(latents, timestep, text, inputs=case.inputs)
    assert made.shape == latents.shape
    assert float((made - wanted).abs().max() / wanted.abs().max()) < 1e-4
    assert float(wanted.std()) > 1e-3
    assert {type(part).__name__ for part in network.module.modules()} & set(BLOCKS)


@each
def test_sides_that_make_no_whole_patches_are_filled_and_cut(case: Case, tmp_path: Path):
    tiny_network(case).save_pretrained(tmp_path / "transformer")  # type: ignore[operator]
    network = load_network(tmp_path, PLACEMENT)
    shape = (*case.latents[:-2], 7, 5)
    latents, text = some(*shape), some(2, 5, case.text_width, seed=3)
    inputs = replace(case.inputs, references=())
    made = network(latents, network.levels.timestep(torch.full((2,), case.sigma)), text, inputs=inputs)
    assert made.shape == latents.shape
    assert bool(made.isfinite().all())


@pytest.mark.parametrize(("scale", "name"), [(0.18215, "SD15"), (0.13025, "SDXL")])
def test_a_folder_tells_pixart_alpha_from_sigma_by_its_autoencoder(scale: float, name: str, tmp_path: Path):
    tiny_network(next(case for case in CASES if case.name == "PixArt")).save_pretrained(  # type: ignore[operator]
        tmp_path / "transformer"
    )
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text(json.dumps({"scaling_factor": scale}))
    assert load_network(tmp_path, PLACEMENT).latent_format.small_decoder == latent_format(name).small_decoder


def test_flux_fill_and_flux_control_read_what_their_pipelines_join(tmp_path: Path):
    """Fill: the picture, then its mask's 64 pixels of each latent (FluxFillPipeline); Canny and Depth: the picture."""
    form, picture, noisy = latent_format("Flux"), some(1, 16, 4, 6), some(1, 16, 4, 6, seed=2)
    mask = (some(1, 1, 32, 48, seed=3) > 0).float()
    extra = {"concat_latent_image": picture, "concat_mask": mask}
    place = rectangle(None, 4, 6)
    control = joined(extra, noisy, place, replace(form, joined=16))
    fill = joined(extra, noisy, place, replace(form, joined=80))
    assert control is not None and fill is not None
    assert torch.equal(control, form.to_model(picture))
    pixels = mask[:, 0].view(1, 4, 8, 6, 8).permute(0, 2, 4, 1, 3).reshape(1, 64, 4, 6)  # as the pipeline's
    assert torch.equal(fill, torch.cat((control, pixels), 1))
    case = next(case for case in CASES if case.name == "FLUX.1")
    wide = replace(case, tiny={**case.tiny, "in_channels": 4 * 96, "out_channels": 64})
    network = load_network(written(wide, tiny_network(wide), tmp_path / "fill.safetensors"), PLACEMENT)
    assert network.latent_format.joined == 80
    told = NetworkInputs(joined=fill, pooled=some(1, 20), guidance=torch.tensor([30.0]))
    assert network(noisy, torch.tensor([0.6]), some(1, 5, 24), inputs=told).shape == noisy.shape
