"""Every family of U-Nets in every form: told by its tensors, and asked for what diffusers' own module answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.denoiser import NetworkInputs, Parametrisation
from nodes.diffusion.models.detect import find_network
from nodes.diffusion.models.families import FAMILIES
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.load import load_network
from tests.diffusion.models.tiny import seeded

CHANCE = torch.Generator().manual_seed(4)
TIMES = torch.tensor([10.0, 900.0])
PREFIX = "model.diffusion_model."


@dataclass(frozen=True)
class Case:
    """One kind of U-Net: its settings as published, how small it is made for a test, and what it reads."""

    family: str
    published: Mapping[str, Any]
    small: Mapping[str, Any] = field(default_factory=dict)
    pooled: int = 0  # of the small one
    label: int = 0

    def unet(self, small: bool = True) -> UNet2DConditionModel:
        said = {**self.published, **(self.small if small else {})}
        return UNet2DConditionModel(**said)


def levels(depths: tuple[int, ...], widths: tuple[int, ...], context: int, **more: Any) -> dict[str, Any]:
    """Settings of a U-Net with so many transformer blocks at each level."""
    return {
        "block_out_channels": widths,
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths),
        "up_block_types": tuple("CrossAttnUpBlock2D" if d else "UpBlock2D" for d in reversed(depths)),
        "transformer_layers_per_block": tuple(depth or 1 for depth in depths),
        "cross_attention_dim": context,
        **more,
    }


WIDE = {"use_linear_projection": True}
SD1 = levels((1, 1, 1, 0), (320, 640, 1280, 1280), 768)
SD2 = levels((1, 1, 1, 0), (320, 640, 1280, 1280), 1024, attention_head_dim=(5, 10, 20, 20), **WIDE)
TOLD = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256}
XL = levels((0, 2, 10), (320, 640, 1280), 2048, attention_head_dim=(5, 10, 20), **WIDE, **TOLD) | {
    "projection_class_embeddings_input_dim": 2816
}
REFINER = levels(
    (0, 4, 4, 0), (384, 768, 1536, 1536), 1280, attention_head_dim=(6, 12, 24, 24), **WIDE, **TOLD
) | {
    "projection_class_embeddings_input_dim": 2560,
    "transformer_layers_per_block": 4,
}
SSD = XL | {
    "transformer_layers_per_block": (1, 2, 4),
    "reverse_transformer_layers_per_block": ((4, 4, 10), (2, 1, 1), 1),
    "mid_block_type": "UNetMidBlock2D",
}
KOALA = XL | {"transformer_layers_per_block": (1, 2, 5), "layers_per_block": 1, "mid_block_type": None}
UPSCALER = levels((0, 1, 1, 1), (256, 512, 512, 1024), 1024, **WIDE) | {
    "only_cross_attention": (True, True, True, False),
    "num_class_embeds": 1000,
    "in_channels": 7,
}
UNCLIP = SD2 | {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 2048}
TINY1 = {"block_out_channels": (32, 64, 64, 64), "cross_attention_dim": 48, "layers_per_block": 1}
TINY2 = TINY1 | {"block_out_channels": (64, 128, 128, 128), "attention_head_dim": (1, 2, 2, 2)}
TINYXL = {
    "block_out_channels": (32, 64, 128),
    "attention_head_dim": (1, 1, 2),
    "cross_attention_dim": 48,
    "projection_class_embeddings_input_dim": 6 * 256 + 32,
}
CASES = {
    "SD1": Case("Stable Diffusion 1", SD1, TINY1),
    "SD1 inpainting": Case("Stable Diffusion 1", SD1 | {"in_channels": 9}, TINY1),
    "SD1 instruct-pix2pix": Case("Stable Diffusion 1", SD1 | {"in_channels": 8}, TINY1),
    "small-sd": Case("Stable Diffusion 1", SD1 | {"layers_per_block": 1}, TINY1),
    "SD2": Case("Stable Diffusion 2", SD2, TINY2),
    "SD2 inpainting": Case("Stable Diffusion 2", SD2 | {"in_channels": 9}, TINY2),
    "SD2.1 unCLIP": Case(
        "Stable Diffusion 2", UNCLIP, TINY2 | {"projection_class_embeddings_input_dim": 40}, label=40
    ),
    "XL": Case("Stable Diffusion XL", XL, TINYXL | {"transformer_layers_per_block": (1, 2, 3)}, pooled=32),
    "XL inpainting": Case(
        "Stable Diffusion XL",
        XL | {"in_channels": 9},
        TINYXL | {"transformer_layers_per_block": (1, 1, 2)},
        pooled=32,
    ),
    "XL instruct-pix2pix": Case(
        "Stable Diffusion XL",
        XL | {"in_channels": 8},
        TINYXL | {"transformer_layers_per_block": (1, 1, 2)},
        pooled=32,
    ),
    "refiner": Case(
        "Stable Diffusion XL refiner",
        REFINER,
        TINY2 | {"transformer_layers_per_block": 2, "projection_class_embeddings_input_dim": 5 * 256 + 32},
        pooled=32,
    ),
    "SSD-1B": Case(
        "Stable Diffusion XL",
        SSD,
        TINYXL | {"reverse_transformer_layers_per_block": ((2, 2, 3), (2, 1, 1), 1)},
        pooled=32,
    ),
    "KOALA": Case("Stable Diffusion XL", KOALA, TINYXL, pooled=32),
    "x4 upscaler": Case(
        "Stable Diffusion x4 upscaler",
        UPSCALER,
        {"block_out_channels": (32, 64, 64, 96), "cross_attention_dim": 96, "layers_per_block": 1},
    ),
}


def inputs(case: Case) -> NetworkInputs:
    channels = case.published.get("in_channels", 4) - 4
    joined = torch.randn(2, channels, 8, 8, generator=CHANCE) if channels else None
    sizes = torch.tensor([[64.0, 48.0, 3.0, 5.0, 64.0, 48.0]]).repeat(2, 1)
    return NetworkInputs(
        joined=joined,
        pooled=torch.randn(2, case.pooled, generator=CHANCE) if case.pooled else None,
        sizes=sizes,
        beauty=torch.tensor([6.0, 2.5]),
        resembled=torch.randn(2, case.label, generator=CHANCE) if case.label else None,
        noisiness=torch.tensor([20, 20]),
    )


def answer(
    case: Case, module: UNet2DConditionModel, latents: Tensor, context: Tensor, told: NetworkInputs
) -> Tensor:
    """What diffusers' module says, asked in its own words."""
    sizes = told.sizes
    if case.family.endswith("refiner"):
        sizes = torch.cat((told.sizes[:, :4], told.beauty[:, None]), 1)
    added = {"text_embeds": told.pooled, "time_ids": sizes} if case.pooled else None
    label = told.resembled if case.label else (told.noisiness if case.family.endswith("upscaler") else None)
    whole = latents if told.joined is None else torch.cat((latents, told.joined), 1)
    return module(whole, TIMES, context, class_labels=label, added_cond_kwargs=added).sample


def original(case: Case, module: UNet2DConditionModel) -> dict[str, Tensor]:
    """Its tensors in the original layout, by its family's own table."""
    family = next(family for family in FAMILIES if family.name == case.family)
    state = module.state_dict()
    places = family.places({name: tuple(tensor.shape) for name, tensor in state.items()})
    assert {place.ours for place in places} == set(state)
    return {PREFIX + place.theirs: state[place.ours].clone() for place in places}


def write(form: str, case: Case, module: UNet2DConditionModel, folder: Path) -> Path:
    if form == "folder":
        module.save_pretrained(folder / "unet")
        return folder
    state = original(case, module) if form == "original" else module.state_dict()
    if form == "bare":
        state = {name.removeprefix(PREFIX): tensor for name, tensor in original(case, module).items()}
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    if form == "shards":
        for number, names in enumerate((sorted(state)[::2], sorted(state)[1::2]), 1):
            save_file(
                {name: state[name] for name in names}, folder / f"net-0000{number}-of-00002.safetensors"
            )
        return folder / "net-00002-of-00002.safetensors"
    save_file(state, folder / "net.safetensors")
    return folder / "net.safetensors"


@pytest.mark.parametrize("name", [name for name in CASES if name != "XL instruct-pix2pix"])
def test_every_form_answers_as_diffusers_module(name, tmp_path, placement):
    case = CASES[name]
    module, told = seeded(case.unet()), inputs(case)
    latents = torch.randn(2, 4, 8, 8, generator=CHANCE)
    context = torch.randn(2, 7, module.config.cross_attention_dim, generator=CHANCE)
    wanted = answer(case, module, latents, context, told)
    shards = ("shards",) if name in ("SD1 inpainting", "SD2", "refiner") else ()
    for form in ("original", "bare", "diffusers", "folder", *shards):
        (tmp_path / form).mkdir()
        network = load_network(write(form, case, module, tmp_path / form), placement)
        assert network.family.name == case.family
        made = network(latents, TIMES, context, inputs=told)
        assert float((made - wanted).abs().max() / wanted.abs().max()) < 1e-4, form


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("SD1 inpainting", "GGUF"),
        ("SD2", "eight bits"),
        ("SD2", "GGUF"),
        ("refiner", "scaled"),
        ("refiner", "GGUF"),
        ("x4 upscaler", "scaled"),
    ],
)
def test_packed_weights_answer_as_the_numbers_that_they_stand_for(name, form, tmp_path, placement):
    case = CASES[name]
    module = seeded(case.unet())
    state, path = original(case, module), tmp_path / ("net.gguf" if form == "GGUF" else "net.safetensors")
    if form == "GGUF":
        gguf = pytest.importorskip("gguf", reason="GGUF files need the package gguf")
        from tests.diffusion.models.test_gguf import packed, write

        rows = {key: packed(tensor, "Q8_0") for key, tensor in state.items()}
        write(path, {key.removeprefix(PREFIX): row for key, row in rows.items()}, "sd1")
        wide = {
            key: torch.from_numpy(gguf.quants.dequantize(data, kind) if kind == 8 else data)
            for key, (data, kind) in rows.items()
        }
        assert sum(kind == 8 for _, kind in rows.values()) > 20
    else:
        wide = eight_bits(state, path, scaled=form == "scaled")
    places = next(family for family in FAMILIES if family.name == case.family).original(
        {key.removeprefix(PREFIX): tuple(tensor.shape) for key, tensor in state.items()}
    )
    assert places is not None
    module.load_state_dict({place.ours: place.read(wide[PREFIX + place.theirs]) for place in places})
    latents, told = torch.randn(2, 4, 8, 8, generator=CHANCE), inputs(case)
    context = torch.randn(2, 7, module.config.cross_attention_dim, generator=CHANCE)
    wanted = answer(case, module, latents, context, told)
    network = load_network(path, placement)
    assert network.family.name == case.family
    made = network(latents, TIMES, context, inputs=told)
    assert float((made - wanted).abs().max() / wanted.abs().max()) < 1e-4


def eight_bits(state: dict[str, Tensor], path: Path, scaled: bool) -> dict[str, Tensor]:
    """Write large weights in eight bits; what they then stand for."""
    written, wide = dict(state), dict(state)
    for name in [name for name, tensor in state.items() if tensor.ndim > 1]:
        scale = state[name].abs().max() / 448 if scaled else torch.ones(())
        written[name] = (state[name] / scale).to(torch.float8_e4m3fn)
        wide[name] = written[name].float() * scale
        if scaled:
            written[name.removesuffix("weight") + "scale_weight"] = scale.reshape(1)
    save_file({name: tensor.contiguous() for name, tensor in written.items()}, path)
    return wide


@pytest.mark.parametrize("name", CASES)
def test_the_published_size_is_of_one_family(name):
    case = CASES[name]
    with torch.device("meta"):
        module = case.unet(small=False)
    shapes = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    theirs = {key: tuple(tensor.shape) for key, tensor in original(case, module).items()}
    for names, prefix in ((shapes, ""), (theirs, PREFIX)):
        bare = {key.removeprefix(prefix): shape for key, shape in names.items()}
        takers = [
            family.name for family in FAMILIES if family.original(bare) is not None or settings(family, bare)
        ]
        assert takers == [case.family]
        found = find_network(WeightFile(Path("none"), names))
        assert found is not None and found.prefix == prefix


def settings(family: Any, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    try:
        return family.settings(shapes) is not None
    except (KeyError, IndexError, ValueError):
        return True


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("SSD-1B", "KOALA")])
def test_the_original_layout_is_the_one_that_diffusers_converts(name):
    case = CASES[name]
    module = seeded(case.unet())
    config = dict(module.config)
    made = convert_ldm_unet_checkpoint(original(case, module), config)
    state = module.state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in made.items()} == {
        key: tuple(tensor.shape) for key, tensor in state.items()
    }
    assert all(torch.equal(made[key], state[key]) for key in state)


def test_velocity_of_stable_diffusion_2_shows_in_one_bias(tmp_path, placement):
    case = Case("Stable Diffusion 2", SD2, TINY2 | {"layers_per_block": 2})
    module = seeded(case.unet())
    kinds = []
    for spread in (0.01, 0.3):
        state = original(case, module)
        name = f"{PREFIX}output_blocks.11.1.transformer_blocks.0.norm1.bias"
        state[name] = torch.randn(state[name].shape, generator=CHANCE) * spread
        save_file(
            {key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / f"{spread}.safetensors"
        )
        kinds.append(load_network(tmp_path / f"{spread}.safetensors", placement).parametrisation)
    assert kinds == [Parametrisation.EPS, Parametrisation.V]


def test_flags_of_playground_and_of_velocity_without_a_table(tmp_path, placement):
    case = CASES["XL"]
    module = seeded(case.unet())
    flags = {
        "playground": {"edm_mean": torch.zeros(4), "edm_std": torch.ones(4)},
        "velocity": {"edm_vpred.sigma_max": torch.tensor(120.0)},
    }
    kinds = {}
    for name, flag in flags.items():
        save_file(
            {key: t.contiguous() for key, t in original(case, module).items()} | flag,
            tmp_path / f"{name}.safetensors",
        )
        network = load_network(tmp_path / f"{name}.safetensors", placement)
        kinds[name] = (network.parametrisation, network.latent_format.scale)
    assert kinds == {"playground": (Parametrisation.EDM, 0.5), "velocity": (Parametrisation.V, 0.13025)}
