"""Stable Cascade as diffusers' two pipelines make it: each stage in each of its forms, step by step, and its autoencoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDPMWuerstchenScheduler,
    StableCascadeDecoderPipeline,
    StableCascadePriorPipeline,
    StableCascadeUNet,
)
from diffusers.loaders.single_file_utils import convert_stable_cascade_unet_single_file_to_diffusers
from diffusers.pipelines.deprecated.wuerstchen.modeling_paella_vq_model import PaellaVQModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes.diffusion.conditions import inputs_of
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.build import BLOCKS
from nodes.diffusion.models.detect import Part, contents
from nodes.diffusion.models.families import FAMILIES as ALL
from nodes.diffusion.models.families.cascade import FAMILIES
from nodes.diffusion.models.family import translated
from nodes.diffusion.models.load import load_network, load_vae
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.saving import network_tensors
from nodes.diffusion.noise import start_noise
from nodes.diffusion.regions import rectangle
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import ended
from nodes.diffusion.values import Area, Cond, Latent
from tests.diffusion.models.test_transformers import PLACEMENT, in_a_file
from tests.diffusion.models.tiny import seeded
from tests.diffusion.models.transformers import some

STEPS, SEED, SCALE, HIGHEST = (
    4,
    7,
    3.0,
    0.95,
)  # diffusers tells the network 1 at the very top, ours what the sigma is
RES, TIME, ATTENTION = "SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"
TEXT = {"clip_text_pooled_in_channels": 20, "conditioning_dim": 16}
C: Mapping[str, Any] = TEXT | {
    "block_out_channels": (16, 16),
    "num_attention_heads": (1, 1),
    "down_num_layers_per_block": (1, 2),
    "up_num_layers_per_block": (2, 1),
    "clip_text_in_channels": 24,
    "clip_image_in_channels": 12,
    "switch_level": (False,),
}
B: Mapping[str, Any] = TEXT | {
    "in_channels": 4,
    "out_channels": 4,
    "patch_size": 2,
    "block_out_channels": (8, 16),
    "num_attention_heads": (0, 1),
    "down_num_layers_per_block": (1, 2),
    "up_num_layers_per_block": (2, 1),
    "down_blocks_repeat_mappers": (1, 1),
    "up_blocks_repeat_mappers": (3, 2),
    "block_types_per_layer": ((RES, TIME), (RES, TIME, ATTENTION)),
    "effnet_in_channels": 16,
    "pixel_mapper_in_channels": 3,
    "timestep_conditioning_type": ("sca",),
}
# What is published, where it is not the class's own.
TRUE_C: Mapping[str, Any] = {
    "clip_text_in_channels": 1280,
    "clip_image_in_channels": 768,
    "switch_level": (False,),
}
TRUE_B: Mapping[str, Any] = B | {
    "block_out_channels": (320, 640, 1280, 1280),
    "num_attention_heads": (0, 0, 20, 20),
    "down_num_layers_per_block": (2, 6, 28, 6),
    "up_num_layers_per_block": (6, 28, 6, 2),
    "down_blocks_repeat_mappers": (1, 1, 1, 1),
    "up_blocks_repeat_mappers": (3, 3, 2, 2),
    "block_types_per_layer": ((RES, TIME), (RES, TIME), (RES, TIME, ATTENTION), (RES, TIME, ATTENTION)),
    "clip_text_pooled_in_channels": 1280,
    "conditioning_dim": 1280,
    "dropout": (0.0, 0.0, 0.1, 0.1),
}


class Straight(DDPMWuerstchenScheduler):
    """Its levels without noise on the way: a step of DDIM, and none at the top, which clean latents cannot reach."""

    def set_timesteps(self, num_inference_steps: int, *_: Any, **__: Any) -> None:  # type: ignore[override]
        self.timesteps = torch.linspace(HIGHEST, 0.0, num_inference_steps + 1)

    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor, **_: Any) -> Any:  # type: ignore[override]
        here = self._alpha_cumprod(timestep, sample.device).view(-1, 1, 1, 1)
        there = self._alpha_cumprod(self.previous_timestep(timestep), sample.device).view(-1, 1, 1, 1)
        there = torch.where(self.previous_timestep(timestep).view(-1, 1, 1, 1) > 0, there, 1.0)
        clean = (sample - (1 - here).sqrt() * model_output) / here.sqrt()
        made = there.sqrt() * clean + (1 - there).sqrt() * model_output
        return type("Made", (), {"prev_sample": made})


def network(settings: Mapping[str, Any]) -> StableCascadeUNet:
    return seeded(StableCascadeUNet(**settings), 3)


def saved(settings: Mapping[str, Any], form: str, folder: Path) -> Path:
    family, module = FAMILIES[0 if settings is C else 1], network(settings)
    if form == "folder":
        module.save_pretrained(folder / family.folder)
        return folder
    state = {name: each.contiguous() for name, each in module.state_dict().items()}
    if form == "original":
        state = in_a_file(state, family.places({name: tuple(each.shape) for name, each in state.items()}))
    save_file(state, folder / "model.safetensors")
    return folder / "model.safetensors"


class Kept(list[Tensor]):
    def __call__(
        self, _pipeline: Any, _index: int, _time: Any, state: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        self.append(state["latents"].clone())
        return state


def compared(
    loaded: LoadedNetwork, conds: tuple[Cond, Cond], shape: tuple[int, ...], wanted: list[Tensor]
) -> None:
    times = torch.linspace(HIGHEST, 0.0, STEPS + 1)[:-1]
    scheduler = DDPMWuerstchenScheduler()
    abar = scheduler._alpha_cumprod(times, times.device)
    sigmas = ended(((1 - abar) / abar).sqrt())
    assert torch.allclose(loaded.levels.timestep(sigmas[:-1]), times, atol=1e-5)
    guided = Guided(loaded, (conds[0],), (conds[1],), SCALE)
    start = start_noise(shape, SEED) * (1 + sigmas[0] ** 2).sqrt()  # of variance 1 there
    run = Run("ddim", sigmas, SEED)
    latents = loaded.latent_format.from_model(start - start_noise(shape, SEED) * sigmas[0])
    made = [step.latents for step in sample(guided, Latent(latents), run)]
    assert len(made) == len(wanted) == STEPS
    for index, (ours, theirs) in enumerate(zip(made, wanted, strict=True)):
        scaled = loaded.latent_format.to_model(ours) / (1 + sigmas[index + 1] ** 2).sqrt()
        assert float((scaled - theirs).abs().max() / theirs.abs().max()) < 1e-4, index
    assert float((wanted[0] - wanted[-1]).abs().max()) > 1e-2


def conds(**extra: Any) -> tuple[Cond, Cond]:
    return (
        Cond(some(1, 77, 24, seed=1), some(1, 20, seed=2), extra=extra),
        Cond(some(1, 77, 24, seed=3), some(1, 20, seed=4)),
    )


FORMS = pytest.mark.parametrize("form", ["original", "diffusers", "folder"])
NOTHING: Any = None
SHAPE_C, SHAPE_B = (2, 16, 3, 4), (2, 4, 32, 32)  # B's sides: 10.67 times those of the prior, rounded down
PRIOR = some(2, 16, 3, 3, seed=8)


def stage_a() -> PaellaVQModel:
    made = PaellaVQModel(bottleneck_blocks=2, embed_dim=16, num_vq_embeddings=9, scale_factor=0.3764)
    seeded(made, 5)
    made.down_blocks[-1][1].running_mean.copy_(some(4, seed=6))  # type: ignore[index, union-attr, operator]
    return made


def asked(pipeline: Any, shape: tuple[int, ...], both: tuple[Cond, Cond], **more: Any) -> list[Tensor]:
    """Latents after each step of a pipeline."""
    pipeline.set_progress_bar_config(disable=True)
    kept, (positive, negative) = Kept(), both
    assert positive.pooled is not None and negative.pooled is not None
    pipeline(
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        prompt_embeds=positive.context.expand(2, -1, -1),
        prompt_embeds_pooled=positive.pooled[None].expand(2, -1, -1),
        negative_prompt_embeds=negative.context.expand(2, -1, -1),
        negative_prompt_embeds_pooled=negative.pooled[None].expand(2, -1, -1),
        latents=start_noise(shape, SEED),
        callback_on_step_end=kept,
        **more,
    )
    return kept


@pytest.fixture(scope="module")
def stage_c() -> list[Tensor]:
    text = type("Text", (), {"dtype": torch.float32})()
    pipeline = StableCascadePriorPipeline(NOTHING, text, network(C), Straight())  # type: ignore[arg-type]
    return asked(pipeline, SHAPE_C, conds(), height=3 * 42, width=4 * 42, output_type="pt")


@pytest.fixture(scope="module")
def stage_b() -> list[Tensor]:
    pipeline = StableCascadeDecoderPipeline(network(B), NOTHING, NOTHING, Straight(), stage_a())
    return asked(pipeline, SHAPE_B, conds(), image_embeddings=PRIOR, output_type="latent")


@FORMS
def test_stage_c_steps_as_its_pipeline(form: str, tmp_path: Path, stage_c: list[Tensor]):
    loaded = load_network(saved(C, form, tmp_path), PLACEMENT)
    assert loaded.family is FAMILIES[0] and loaded.levels.shift == 2.0  # type: ignore[attr-defined]
    assert {type(part).__name__ for part in loaded.module.modules()} & set(BLOCKS)
    compared(loaded, conds(), SHAPE_C, stage_c)


@FORMS
def test_stage_b_steps_as_its_pipeline(form: str, tmp_path: Path, stage_b: list[Tensor]):
    loaded = load_network(saved(B, form, tmp_path), PLACEMENT)
    assert loaded.family is FAMILIES[1]
    compared(loaded, conds(stable_cascade_prior=PRIOR), SHAPE_B, stage_b)


@pytest.mark.parametrize("stage", [0, 1], ids=["C", "B"])
def test_files_of_the_published_sizes_are_known_and_become_what_diffusers_makes_of_them(stage: int):
    """Rows in true numbers; columns are left out, no layout changes them."""
    family = FAMILIES[stage]
    with torch.device("meta"):
        module = StableCascadeUNet(**(TRUE_C, TRUE_B)[stage])
    shapes = {name: tuple(each.shape) for name, each in module.state_dict().items()}
    chance = torch.Generator().manual_seed(1)
    thin = {
        name: torch.randn(each[0], *(1 for _ in each[1:]), generator=chance) for name, each in shapes.items()
    }
    stored = in_a_file(thin, family.places(shapes))
    columns = {place.theirs: shapes[place.ours][1:] for place in family.places(shapes)}
    of_file = {name: (len(each), *columns[name]) for name, each in stored.items()}
    knowing = [each for each in ALL if each.original(of_file) is not None]
    assert knowing == [family]
    found = family.original(of_file)
    assert found is not None
    theirs = convert_stable_cascade_unet_single_file_to_diffusers(dict(stored))
    ours = {place.ours: place.read(stored[place.theirs]) for place in found}
    assert ours.keys() == theirs.keys() == shapes.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    settings = family.settings(translated(of_file, found))
    assert settings is not None
    with torch.device("meta"):
        again = StableCascadeUNet(**settings)
    assert {name: tuple(each.shape) for name, each in again.state_dict().items()} == shapes
    assert again.config["num_attention_heads"] == list(module.config["num_attention_heads"])


@pytest.mark.parametrize("settings", [C, B], ids=["C", "B"])
def test_a_stage_is_saved_as_it_came(settings: Mapping[str, Any], tmp_path: Path):
    path = saved(settings, "original", tmp_path)
    made, stored = network_tensors(load_network(path, PLACEMENT), path), load_file(path)
    assert made.keys() == stored.keys()
    assert all(torch.equal(made[name], stored[name]) for name in made)


@pytest.mark.parametrize("form", ["file", "folder"])
def test_its_autoencoder_is_diffusers_own(form: str, tmp_path: Path):
    module, path = stage_a(), tmp_path / "stage_a.safetensors"
    if form == "folder":
        module.save_pretrained(tmp_path / "vqgan")
        path = tmp_path
    else:
        code = ("vquantizer.embedding", "vquantizer.codebook")
        state = {name.replace(*code): each.contiguous() for name, each in module.state_dict().items()}
        save_file(state, path)
    assert contents(path) == {Part.VAE}
    coder, image = (
        load_vae(path, PLACEMENT),
        torch.rand(1, 16, 24, 3, generator=torch.Generator().manual_seed(2)),
    )
    assert (coder.pixels, coder.channels) == (4, 4)
    with torch.no_grad():
        latents = module.encode(image.movedim(-1, 1)).latents
        picture = module.decode(latents).sample.clamp(0, 1).movedim(1, -1)
    assert torch.allclose(coder.encode(image), latents, atol=1e-5)
    assert torch.allclose(coder.decode(latents), picture, atol=1e-5)
    assert float(picture.std()) > 0.01


def test_a_folder_s_latents_have_the_scale_that_its_autoencoder_says(tmp_path: Path):
    network(B).save_pretrained(tmp_path / "decoder")
    stage_a().save_pretrained(tmp_path / "vqgan")
    assert load_network(tmp_path, PLACEMENT).latent_format.scale == pytest.approx(1 / 0.3764)


def test_stage_b_asked_about_a_part_is_told_that_part(tmp_path: Path):
    noisy, form = some(1, 4, 8, 8), latent_format("SC_B")
    cond = Cond(
        some(1, 1, 1),
        extra={"stable_cascade_prior": torch.ones(1, 16, 2, 2).index_fill(3, torch.tensor([1]), 3)},
    )
    whole, left = (
        inputs_of(cond, 0, noisy, rectangle(area, 8, 8), form).first_stage
        for area in (None, Area(8, 2, 0, 0))
    )
    assert whole is not None and left is not None
    assert whole.shape == (1, 16, 2, 2)
    assert float(left.max()) < 2.0 <= float(whole.max())


def test_a_prompt_of_other_encoders_is_an_error_in_words(tmp_path: Path):
    loaded = load_network(saved(B, "diffusers", tmp_path), PLACEMENT)
    with pytest.raises(DiffusionError, match="was read by other encoders"):
        loaded(torch.zeros(1, 4, 8, 8), torch.tensor([0.5]), torch.zeros(1, 77, 24))
