"""Families of transformers in further forms of files: diffusers' names, shards, eight bits, saved again, full size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nodes.diffusion.models.detect import find_network
from nodes.diffusion.models.families import FAMILIES
from nodes.diffusion.models.family import Place, translated
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.load import load_network
from nodes.diffusion.models.saving import network_tensors
from tests.diffusion.models.test_transformers import PLACEMENT, in_a_file, tiny_network
from tests.diffusion.models.transformers import CASES, Case, some

EIGHT = torch.float8_e4m3fn
FILES = [case for case in CASES if case.file]
each = pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
PREFIX = "model.diffusion_model."
# The published sizes, where they are not those of the class.
SD3 = {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "pos_embed_max_size": 192}
LARGE = {"num_layers": 38, "num_attention_heads": 38, "caption_projection_dim": 2432, "qk_norm": "rms_norm"}
HIDREAM = {"patch_size": 2, "num_layers": 16, "num_single_layers": 32, "caption_channels": [4096, 4096]}
DIT = {"in_channels": 4, "patch_size": 2, "hidden_size": 1408, "num_layers": 40, "mlp_ratio": 4.3637}
PUBLISHED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "SD 3.5 large": ("Stable Diffusion 3", LARGE | {"pos_embed_max_size": 192}),
    "SD 3.5 medium": (
        "Stable Diffusion 3",
        SD3 | {"pos_embed_max_size": 384, "qk_norm": "rms_norm", "dual_attention_layers": tuple(range(13))},
    ),
    "FLUX.1 schnell": ("FLUX.1", {}),
    "FLUX.1 Fill": ("FLUX.1", {"guidance_embeds": True, "in_channels": 384, "out_channels": 64}),
    "Chroma": ("Chroma", {}),
    "AuraFlow": ("AuraFlow", {"pos_embed_max_size": 9216}),
    "Lumina-Image 2": ("Lumina-Image 2", {}),
    "Z-Image": ("Z-Image", {}),
    "Qwen-Image": ("Qwen-Image", {}),
    "FLUX.2 dev": ("FLUX.2", {}),
    "HiDream": ("HiDream", HIDREAM | {"axes_dims_rope": (64, 32, 32), "llama_layers": list(range(48))}),
    "Hunyuan-DiT 1.2": ("Hunyuan-DiT", DIT | {"use_style_cond_and_image_meta_size": False}),
}


def stored(case: Case, module: nn.Module) -> tuple[dict[str, Tensor], list[Place]]:
    """Its tensors in the original layout, and their places."""
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    places = list(case.family.places({name: tuple(tensor.shape) for name, tensor in state.items()}))
    return in_a_file(state, places), places


def apart(case: Case, module: nn.Module, path: Path) -> float:
    """How far the answer of a file is from the pipeline's call, of the largest number."""
    network = load_network(path, PLACEMENT)
    assert network.family.name == case.name
    latents, text = some(*case.latents), some(2, 5, case.text_width, seed=3)
    wanted = case.called(module, latents, case.sigma, text, case.inputs)
    timestep = network.levels.timestep(torch.full((2,), case.sigma))
    made = network(latents, timestep, text, inputs=case.inputs)
    return float((made - wanted).abs().max() / wanted.abs().max())


@each
def test_a_file_under_diffusers_names_and_shards_of_one_answer_alike(case: Case, tmp_path: Path):
    module = tiny_network(case)
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    save_file(state, tmp_path / "names.safetensors")
    assert apart(case, module, tmp_path / "names.safetensors") < 1e-4
    whole, _ = stored(case, module)
    for number, names in enumerate((sorted(whole)[::2], sorted(whole)[1::2]), 1):
        part = {name: whole[name] for name in names}
        save_file(part, tmp_path / f"net-0000{number}-of-00002.safetensors")
    assert apart(case, module, tmp_path / "net-00001-of-00002.safetensors") < 1e-4


@each
def test_weights_of_eight_bits_with_scales_and_without_are_widened(case: Case, tmp_path: Path):
    """Each tensor of the file has its own scale, several of the network may lie in it."""
    module = tiny_network(case)
    whole, places = stored(case, module)
    for form in ("plain", "scaled"):
        written, widened = dict(whole), dict(whole)
        for name in [name for name, tensor in whole.items() if tensor.ndim == 2 and name.endswith(".weight")]:
            scale = whole[name].abs().max() / 448 if form == "scaled" else torch.ones(())
            written[name] = (whole[name] / scale).to(EIGHT)
            widened[name] = written[name].float() * scale
            if form == "scaled":
                written[name.removesuffix("weight") + "scale_weight"] = scale.reshape(1)
        path = tmp_path / f"{form}.safetensors"
        save_file({PREFIX + name: tensor.contiguous() for name, tensor in written.items()}, path)
        module.load_state_dict(
            {place.ours: place.read(widened[place.theirs]) for place in places}, strict=False
        )
        assert apart(case, module, path) < 1e-4, form


@each
def test_a_network_is_saved_as_it_came(case: Case, tmp_path: Path):
    """Whatever names it came under, the file has those of the original layout, in half precision where it was."""
    module = tiny_network(case).half()
    whole, _ = stored(case, module)
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    paths = tmp_path / "original.safetensors", tmp_path / "names.safetensors"
    save_file(whole, paths[0])
    save_file(state, paths[1])
    for path in paths:
        made = network_tensors(load_network(path, PLACEMENT), path)
        assert made.keys() == whole.keys()
        assert all(made[name].dtype == tensor.dtype for name, tensor in whole.items()), path.name
        assert all(torch.equal(made[name], whole[name].reshape(made[name].shape)) for name in made)
    save_file(made, tmp_path / "again.safetensors")
    assert load_file(tmp_path / "again.safetensors").keys() == whole.keys()


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_size_is_of_one_family_and_measured_right(name: str):
    """From names and shapes alone, in both layouts: a network made of what is measured has the same tensors."""
    family_name, told = PUBLISHED[name]
    family = next(family for family in FAMILIES if family.name == family_name)
    module = without_memory(family.class_of(), told)
    shapes = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    for before, names in (("", shapes), (PREFIX, in_shapes(family.places(shapes), shapes))):
        found = find_network(WeightFile(Path("none"), {before + key: each for key, each in names.items()}))
        assert found is not None and found.family is family and found.prefix == before
        takers = [
            other.name for other in FAMILIES if other.original(names) is not None or takes(other, names)
        ]
        assert takers == [family.name]
    measured = family.settings(translated(names, found.places) if found.places else names)
    assert measured is not None
    again = without_memory(family.class_of(), measured)
    assert {key: tuple(tensor.shape) for key, tensor in again.state_dict().items()} == shapes


def without_memory(made: Any, settings: Mapping[str, Any]) -> nn.Module:
    """A network on the meta device; to draw what is not there takes most of the time."""
    with patch.object(nn.Linear, "reset_parameters", lambda _self: None), torch.device("meta"):
        return made(**settings)


def in_shapes(places: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes in the original layout."""
    rows: dict[str, int] = {}
    columns: dict[str, tuple[int, ...]] = {}
    for place in places:
        shape = shapes[place.ours]
        rows[place.theirs] = rows.get(place.theirs, 0) + (shape[0] if shape else 0)
        columns[place.theirs] = (*shape[1:], 1, 1) if place.flat else shape[1:]
    return {name: (rows[name], *columns[name]) for name in rows}


def takes(family: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    try:
        return family.settings(shapes) is not None
    except (KeyError, IndexError, ValueError):
        return True
