"""Latents as diffusers' StableDiffusionXLPipeline makes them: two text encoders, sizes, pooled text, guidance; one model."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
)
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.load import Placement, load_network, load_text
from nodes.diffusion.noise import start_noise
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_run
from nodes.diffusion.text import Encoding, Prompts, Reading, read_prompt
from nodes.diffusion.values import Cond, Latent
from tests.diffusion.models import tiny
from tests.diffusion.models.test_unet_families import CASES

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PLACEMENT = Placement(torch.device("cpu"), torch.float32, torch.float32)
STEPS, SEED, SCALE, SHAPE = 5, 7, 5.0, (2, 4, 8, 8)
TRAINED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
TEXT = tiny.TEXT | {"num_hidden_layers": 3}
LEFT = TEXT | {"hidden_size": 16, "intermediate_size": 32, "hidden_act": "quick_gelu"}
RIGHT = TEXT | {"hidden_size": 32, "intermediate_size": 48, "hidden_act": "gelu", "projection_dim": 32}
PROMPTS = ("a red apple", "")
SIZES = {"original_size": (64, 48), "crops_coords_top_left": (3, 5), "target_size": (80, 96)}
SAID = {"height": 64, "width": 48, "crop_h": 3, "crop_w": 5, "target_height": 80, "target_width": 96}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("xl") / "tiny"
    tiny.seeded(CASES["XL"].unet()).save_pretrained(path / "unet")
    vae = tiny.vae()
    vae.register_to_config(scaling_factor=0.13025)
    vae.save_pretrained(path / "vae")
    left().save_pretrained(path / "text_encoder")
    right().save_pretrained(path / "text_encoder_2")
    (path / "scheduler").mkdir()
    (path / "scheduler" / "scheduler_config.json").write_text(json.dumps(TRAINED))
    return path


def left() -> CLIPTextModel:
    return tiny.seeded(CLIPTextModel(CLIPTextConfig(**LEFT)), 3)


def right() -> CLIPTextModelWithProjection:
    return tiny.seeded(CLIPTextModelWithProjection(CLIPTextConfig(**RIGHT)), 4)


@pytest.fixture(scope="module")
def encoded(folder: Path) -> list[Encoding]:
    encoders = load_text(folder, PLACEMENT).encoders
    assert set(encoders) == {"l", "g"}
    return [read_prompt("", Reading(encoders, Prompts(text))) for text in PROMPTS]


def test_both_encoders_are_read_as_the_pipeline_does(folder: Path, encoded: list[Encoding]):
    tokenizer = load_text(folder, PLACEMENT).encoders["l"].tokenizer
    for text, made in zip(PROMPTS, encoded, strict=True):
        ids = torch.tensor([[token.id for token in tokenizer.chunks(text)[0]]])
        one, other = (model(ids, output_hidden_states=True) for model in (left(), right()))
        context = torch.cat((one.hidden_states[-2], other.hidden_states[-2]), -1)
        assert torch.allclose(made.context, context, atol=1e-5)
        assert torch.allclose(made.pooled, other.text_embeds, atol=1e-5)


@pytest.mark.parametrize(
    ("ours", "scheduler", "preserving"),
    [
        ("euler", EulerDiscreteScheduler(**TRAINED, timestep_spacing="trailing"), False),
        (
            "ddim",
            DDIMScheduler(**TRAINED, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True),
            True,
        ),
        ("dpmpp_2m", DPMSolverMultistepScheduler(**TRAINED, timestep_spacing="trailing"), True),
    ],
    ids=["euler", "ddim", "dpmpp_2m"],
)
def test_the_last_latents_are_the_pipelines(
    folder: Path, encoded: list[Encoding], ours: str, scheduler: Any, preserving: bool
):
    network = load_network(folder, PLACEMENT)
    assert network.family.name == "Stable Diffusion XL" and network.latent_format.scale == 0.13025
    pipeline = StableDiffusionXLPipeline(
        tiny.vae(), None, None, None, None, tiny.seeded(CASES["XL"].unet()), scheduler, add_watermarker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    sigmas = for_run("simple", network.levels, STEPS)
    first = math.sqrt(1 + float(sigmas[0]) ** 2)
    noise = start_noise(SHAPE, SEED)
    scheduler.set_timesteps(STEPS)
    start = noise * (1.0 if preserving else first / float(scheduler.init_noise_sigma))
    wanted = told(pipeline, encoded, start)
    conds = [Cond(each.context, each.pooled, extra=SAID) for each in encoded]
    guided = Guided(network, (conds[0],), (conds[1],), SCALE)
    *_, last = sample(guided, Latent(torch.zeros(SHAPE)), Run(ours, sigmas, SEED))
    made = last.latents * network.latent_format.scale
    assert float((made - wanted).abs().max() / wanted.abs().max()) < 1e-4


def told(pipeline: StableDiffusionXLPipeline, encoded: list[Encoding], start: Tensor) -> Tensor:
    positive, negative = encoded
    return pipeline(
        prompt_embeds=positive.context.expand(SHAPE[0], -1, -1),
        negative_prompt_embeds=negative.context.expand(SHAPE[0], -1, -1),
        pooled_prompt_embeds=positive.pooled.expand(SHAPE[0], -1),
        negative_pooled_prompt_embeds=negative.pooled.expand(SHAPE[0], -1),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        height=64,
        width=64,
        latents=start,
        output_type="latent",
        **SIZES,
    ).images
